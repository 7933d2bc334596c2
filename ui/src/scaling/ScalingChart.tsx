/** A panel with its legend, outside of a dashboard. Input: the panel and the time range; its series come from the Prometheus API. */
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTheme } from '../app/theme';
import { zoomOutFrom, zoomTo } from '../app/time';
import { useLoad } from '../app/useLoad';
import type { ChartAnnotation } from '../charts/model';
import { TimeChart } from '../charts/TimeChart';
import type { PanelModel } from '../grafana/model';
import { fetchPanel, QueryShare } from '../panels/fetch';
import { seriesOfResult, timeseriesModel } from '../panels/timeseriesModel';
import type { TimeRange } from '../time/range';

/** Changes of the series' look while the first answer is on its way are not worth a second query. */
function useWidth(): [React.RefObject<HTMLElement | null>, number] {
  const element = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => setWidth(element.current?.clientWidth ?? 0), []);
  return [element, width];
}

export function ScalingChart({ panel, range, syncKey, label, annotations }: { panel: PanelModel; range: TimeRange; syncKey: string; label: string; annotations?: ChartAnnotation[] }) {
  const theme = useTheme();
  const [element, width] = useWidth();
  const { value: result, error } = useLoad(
    (signal) => (width === 0 ? Promise.resolve(undefined) : fetchPanel({ panel, range, width, scope: { variables: {}, scoped: {} } }, new QueryShare(signal))),
    [panel, range, width],
  );
  const model = useMemo(
    () => result && { ...timeseriesModel({ panel, series: seriesOfResult(result), step: result.step, theme }), annotations },
    [panel, result, theme, annotations],
  );
  const empty = model?.series.every((s) => s.values.every((v) => v === null));
  return (
    <figure className="scaling-chart" ref={element}>
      <figcaption>
        <span>{panel.title}</span>
        {model && !empty && (
          <span className="chart-keys">
            {model.series.map((s) => (
              <span key={s.key}>
                <i className={s.style.dash ? 'swatch dashed' : 'swatch'} style={{ '--swatch': s.color } as React.CSSProperties} />
                {s.name.trim()}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      {error && <p className="notice error">{error}</p>}
      {!error && empty && <p className="empty">No series in this time range yet.</p>}
      {model && result && !empty && (
        <TimeChart
          model={model}
          range={result.range}
          theme={theme}
          tooltip={{ mode: 'multi', sort: 'none' }}
          syncKey={syncKey}
          onZoom={zoomTo}
          onZoomOut={() => zoomOutFrom(result.range)}
          label={label}
        />
      )}
    </figure>
  );
}
