/** The panel types, one line each. A type that is not here is named in the panel itself. */
import { useEffect, type ComponentType } from 'react';
import { BarGaugePanel } from './BarGaugePanel';
import { GaugePanel } from './GaugePanel';
import { StatPanel } from './StatPanel';
import { TablePanel } from './TablePanel';
import { TextPanel } from './TextPanel';
import { TimeseriesPanel } from './TimeseriesPanel';
import type { PanelProps } from './types';

const panelTypes: Record<string, ComponentType<PanelProps>> = {
  timeseries: TimeseriesPanel,
  stat: StatPanel,
  gauge: GaugePanel,
  bargauge: BarGaugePanel,
  table: TablePanel,
  text: TextPanel,
};

function UnknownPanel({ panel, onDrawn }: PanelProps) {
  useEffect(onDrawn);
  return (
    <div className="panel-message" role="status">
      Panel type “{panel.type}” is not supported. Supported: {Object.keys(panelTypes).join(', ')}.
    </div>
  );
}

export function panelComponent(type: string): ComponentType<PanelProps> {
  return panelTypes[type] ?? UnknownPanel;
}
