/** Shown by every panel that got an answer without a value in it. */
import { useEffect } from 'react';
import type { PanelModel } from '../grafana/model';

export function NoData({ panel, onDrawn }: { panel: PanelModel; onDrawn: () => void }) {
  useEffect(onDrawn);
  return <div className="no-data">{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</div>;
}
