/** The charts of a report, one under the other on one time axis, with a shared crosshair. A selected span is shown larger; a double click shows all again. */
import { useEffect, useMemo, useState } from 'react';
import type { SimulationReport } from '../api/simulation';
import { useTheme } from '../app/theme';
import { TimeChart } from '../charts/TimeChart';
import { timelinePanels } from './timeline';

export function Timeline({ report, queued }: { report: SimulationReport; queued: boolean }) {
  const theme = useTheme();
  const panels = useMemo(() => timelinePanels(report, queued, theme), [report, queued, theme]);
  const [zoom, setZoom] = useState<{ from: number; to: number }>();
  const end = report.durationSeconds * 1000;
  useEffect(() => setZoom(undefined), [end]);
  const range = zoom ?? { from: 0, to: end };
  return (
    <div className="simulation-charts">
      {panels.map(({ key, title, model }) => (
        <figure key={key} className={`scaling-chart chart-${key}`}>
          <figcaption>
            <span>{title}</span>
            <span className="chart-keys">
              {model.series.map((s) => (
                <span key={s.key}>
                  <i className={s.style.dash ? 'swatch dashed' : s.style.lineWidth === 0 ? 'swatch area' : 'swatch'} style={{ '--swatch': s.color } as React.CSSProperties} />
                  {s.name}
                </span>
              ))}
            </span>
          </figcaption>
          <TimeChart
            model={model}
            range={range}
            theme={theme}
            tooltip={{ mode: 'multi', sort: 'none' }}
            syncKey="simulation"
            onZoom={(from, to) => setZoom({ from, to })}
            onZoomOut={() => setZoom(undefined)}
            label={`${title} over the simulated time`}
          />
        </figure>
      ))}
      {zoom && (
        <button type="button" className="text-button" onClick={() => setZoom(undefined)}>
          Show the whole time
        </button>
      )}
    </div>
  );
}
