/** The bar gauge panel: one bar per value. Input: frames; reads `reduceOptions`, `orientation`, `displayMode`, `showUnfilled`. */
import { useEffect, useMemo } from 'react';
import { withAlpha } from '../grafana/theme';
import { showFrames, showValue } from './fields';
import { gaugeBounds } from './GaugePanel';
import { NoData } from './NoData';
import { reduceFrames, type Reduced, type ReduceOptions } from './reduce';
import type { PanelProps } from './types';

interface BarGaugeOptions {
  reduceOptions?: ReduceOptions;
  orientation?: 'auto' | 'horizontal' | 'vertical';
  displayMode?: 'basic' | 'gradient' | 'lcd';
  showUnfilled?: boolean;
}

function Bar({ item, options, vertical }: { item: Reduced; options: BarGaugeOptions; vertical: boolean }) {
  const { text, color } = showValue(item.shown, item.value);
  const { min, max } = gaugeBounds(item);
  const value = typeof item.value === 'number' ? item.value : 0;
  const share = `${Math.min(100, Math.max(0, ((value - min) / (max - min || 1)) * 100))}%`;
  const direction = vertical ? 'to top' : 'to right';
  const fill = options.displayMode === 'basic' ? withAlpha(color, 0.55) : `linear-gradient(${direction}, ${withAlpha(color, 0.3)}, ${color})`;
  const length = vertical ? { height: share } : { width: share };
  return (
    <div className={`bar ${vertical ? 'vertical' : ''}`} title={`${item.name}: ${text}`}>
      <span className="bar-name">{item.name}</span>
      <span className={options.showUnfilled === false ? 'bar-track bare' : 'bar-track'}>
        <span className={options.displayMode === 'lcd' ? 'bar-fill lcd' : 'bar-fill'} style={{ background: fill, ...length }} />
      </span>
      <span className="bar-text" style={{ color }}>
        {text}
      </span>
    </div>
  );
}

export function BarGaugePanel({ panel, frames, theme, width, height, onDrawn }: PanelProps) {
  const options = (panel.options ?? {}) as BarGaugeOptions;
  const items = useMemo(() => reduceFrames(showFrames(panel, frames, theme), options.reduceOptions ?? {}), [panel, frames, theme]);
  useEffect(onDrawn);
  if (items.length === 0) return <NoData panel={panel} onDrawn={onDrawn} />;
  const vertical = options.orientation === 'vertical' || ((options.orientation ?? 'auto') === 'auto' && width > height * 2.5 && items.length > 2);
  return (
    <div className={vertical ? 'bars vertical' : 'bars'}>
      {items.map((item) => (
        <Bar key={item.key} item={item} options={options} vertical={vertical} />
      ))}
    </div>
  );
}
