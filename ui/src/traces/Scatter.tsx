/** Found traces by time and duration. A point opens its trace, its area shows the spans, red has errors; dragging over the chart zooms into the time. */
import { useLayoutEffect, useMemo, useRef, useState, type MouseEvent } from 'react';
import { Link } from '../app/router';
import { zoomTo } from '../app/time';
import { timeTicks } from '../charts/ticks';
import { formatAbsolute, type TimeRange } from '../time/range';
import { formatMicros } from './duration';
import type { Trace } from './model';
import { durationScale, timeScale } from './scale';
import { titleOf, traceHref } from './searchState';

const height = 190;
const margin = { left: 62, right: 16, top: 12, bottom: 24 };

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const div = element.current as HTMLDivElement;
    const measure = () => setWidth(div.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(div);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

const radiusOf = (trace: Trace): number => Math.min(11, 3 + Math.sqrt(trace.spans.length) * 0.55);

interface ScatterProps {
  traces: Trace[];
  range: TimeRange;
  picked: string[];
  colorOf: (service: string) => string;
}

export function Scatter({ traces, range, picked, colorOf }: ScatterProps) {
  const [holder, width] = useWidth();
  const [hovered, setHovered] = useState<Trace | undefined>();
  const [drag, setDrag] = useState<{ from: number; to: number } | undefined>();
  const plot = { width: Math.max(10, width - margin.left - margin.right), height: height - margin.top - margin.bottom };
  const y = useMemo(() => durationScale(traces.map((t) => t.duration), 5), [traces]);
  const x = useMemo(() => timeScale(range, Math.max(2, Math.floor(plot.width / 110))), [range, plot.width]);
  const left = (ms: number) => margin.left + x.place(ms) * plot.width;
  const top = (us: number) => margin.top + (1 - y.place(us)) * plot.height;
  const times = timeTicks(x.ticks, x.step, range.to - range.from);
  // errors last, so that they lie above
  const ordered = useMemo(() => [...traces].sort((a, b) => Number(a.errors > 0) - Number(b.errors > 0) || b.spans.length - a.spans.length), [traces]);
  const pointer = (event: MouseEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(margin.left + plot.width, Math.max(margin.left, event.clientX - box.left));
  };
  const timeAt = (at: number) => range.from + ((at - margin.left) / plot.width) * (range.to - range.from);
  const release = () => {
    setDrag(undefined);
    if (drag && Math.abs(drag.to - drag.from) > 6) zoomTo(timeAt(Math.min(drag.from, drag.to)), timeAt(Math.max(drag.from, drag.to)));
  };
  return (
    <div className="scatter" ref={holder}>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={`${traces.length} traces by time and duration, ${traces.filter((t) => t.errors > 0).length} of them with errors`}
          onMouseDown={(event) => {
            if (event.button !== 0 || (event.target as Element).closest('a')) return;
            event.preventDefault();
            setDrag({ from: pointer(event), to: pointer(event) });
          }}
          onMouseMove={(event) => drag && setDrag({ ...drag, to: pointer(event) })}
          onMouseUp={release}
          onMouseLeave={() => setDrag(undefined)}
        >
          {y.ticks.map((tick) => (
            <g key={tick}>
              <line className="scatter-grid" x1={margin.left} x2={margin.left + plot.width} y1={top(tick)} y2={top(tick)} />
              <text className="scatter-text" x={margin.left - 8} y={top(tick)} textAnchor="end" dominantBaseline="central">
                {formatMicros(tick)}
              </text>
            </g>
          ))}
          {x.ticks.map((tick, i) => (
            <g key={tick}>
              <line className="scatter-grid" x1={left(tick)} x2={left(tick)} y1={margin.top} y2={margin.top + plot.height} />
              <text className="scatter-text" x={left(tick)} y={height - 7} textAnchor="middle">
                {times[i]}
              </text>
            </g>
          ))}
          {drag && <rect className="scatter-drag" x={Math.min(drag.from, drag.to)} width={Math.abs(drag.to - drag.from)} y={margin.top} height={plot.height} />}
          {ordered.map((trace) => (
            <Link key={trace.id} href={traceHref(trace.id)} tabIndex={-1} aria-hidden="true">
              <circle
                className={`scatter-point ${trace.errors > 0 ? 'failed' : ''} ${picked.includes(trace.id) ? 'picked' : ''}`}
                cx={left(trace.start / 1000)}
                cy={top(trace.duration)}
                r={radiusOf(trace)}
                style={trace.errors > 0 ? undefined : { fill: colorOf(titleOf(trace).service) }}
                onMouseEnter={() => setHovered(trace)}
                onMouseLeave={() => setHovered(undefined)}
              />
            </Link>
          ))}
        </svg>
      )}
      {hovered && !drag && <ScatterTip trace={hovered} x={left(hovered.start / 1000)} y={top(hovered.duration)} width={width} />}
    </div>
  );
}

function ScatterTip({ trace, x, y, width }: { trace: Trace; x: number; y: number; width: number }) {
  const { service, operation } = titleOf(trace);
  const toLeft = x > width - 330;
  return (
    <div className="trace-tip" role="status" style={{ top: Math.max(0, y - 20), ...(toLeft ? { right: width - x + 14 } : { left: x + 14 }) }}>
      <div>
        <b>{service}</b> {operation}
      </div>
      <div className="muted">
        {formatMicros(trace.duration)} · {trace.spans.length} {trace.spans.length === 1 ? 'span' : 'spans'}
        {trace.errors > 0 && <span className="bad"> · {trace.errors} with errors</span>}
      </div>
      <div className="muted">{formatAbsolute(trace.start / 1000)}</div>
    </div>
  );
}
