/** Shown by every panel that got an answer without a value in it. */
import { useEffect } from 'react';
import type { PanelModel } from '../grafana/model';

/** `because` replaces the text where there are values, but none of them can be shown. */
export function NoData({ panel, onDrawn, because }: { panel: PanelModel; onDrawn: () => void; because?: string }) {
  useEffect(onDrawn);
  return <div className="no-data">{because ?? panel.fieldConfig?.defaults?.noValue ?? 'No data'}</div>;
}
