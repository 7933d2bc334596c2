/** The whole trace small: every span a line, the part that the waterfall shows marked. Dragging chooses another part, a double click shows all. */
import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { roundTicks, formatMicros } from './duration';
import type { Trace } from './model';

export interface View {
  /** Microseconds since the start of the trace. */
  from: number;
  to: number;
}

const height = 64;

function draw(canvas: HTMLCanvasElement, trace: Trace, colorOf: (service: string) => string, bad: string): void {
  const width = canvas.clientWidth;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const ctx = canvas.getContext('2d');
  if (!ctx) return;
  ctx.scale(ratio, ratio);
  const line = Math.min(6, height / Math.max(1, trace.spans.length));
  const total = Math.max(1, trace.duration);
  const paint = (errors: boolean) => {
    for (const span of trace.spans) {
      if (span.error !== errors) continue;
      ctx.fillStyle = errors ? bad : colorOf(span.service);
      ctx.fillRect((span.start / total) * width, span.index * line, Math.max(1, (span.duration / total) * width), Math.max(0.7, line - (line > 2 ? 1 : 0)));
    }
  };
  paint(false);
  paint(true);
}

interface MinimapProps {
  trace: Trace;
  view: View;
  colorOf: (service: string) => string;
  theme: string;
  onView: (view: View | undefined) => void;
}

export function Minimap({ trace, view, colorOf, theme, onView }: MinimapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<View | undefined>();
  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const bad = getComputedStyle(element).getPropertyValue('--bad');
    const redraw = () => draw(element, trace, colorOf, bad);
    redraw();
    const observer = new ResizeObserver(redraw);
    observer.observe(element);
    return () => observer.disconnect();
  }, [trace, colorOf, theme]);
  const total = Math.max(1, trace.duration);
  const share = (us: number) => `${(100 * us) / total}%`;
  const at = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * total;
  };
  const sorted = (v: View): View => ({ from: Math.min(v.from, v.to), to: Math.max(v.from, v.to) });
  const shown = drag ? sorted(drag) : view;
  const whole = shown.from <= 0 && shown.to >= total;
  return (
    <div
      className="minimap"
      role="img"
      aria-label={`Overview of the trace. The waterfall shows ${formatMicros(view.from)} to ${formatMicros(view.to)}.`}
      title="Drag to show a part, double click to show all"
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ from: at(event), to: at(event) });
      }}
      onPointerMove={(event) => drag && setDrag({ ...drag, to: at(event) })}
      onPointerUp={() => {
        if (drag && Math.abs(drag.to - drag.from) > total / 200) onView(sorted(drag));
        setDrag(undefined);
      }}
      onDoubleClick={() => onView(undefined)}
    >
      <div className="minimap-ticks" aria-hidden="true">
        {roundTicks(0, total, 6).map((tick) => (
          <span key={tick} style={{ left: share(tick) }}>
            {formatMicros(tick)}
          </span>
        ))}
      </div>
      <canvas ref={canvas} style={{ height }} />
      {!whole && (
        <>
          <div className="minimap-shade" style={{ left: 0, width: share(Math.max(0, shown.from)) }} />
          <div className="minimap-shade" style={{ left: share(shown.to), right: 0 }} />
        </>
      )}
    </div>
  );
}
