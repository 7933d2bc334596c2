/**
 * The spans of a trace under one another on a time axis. Only the rows near the window are in the document, so that ten thousand spans scroll smoothly.
 * A tree for screen readers: one row is the active one, moved by the keys that the page handles.
 */
import { memo, useCallback, useMemo, useRef, useState, type MouseEvent } from 'react';
import { Icon } from '../app/icons';
import type { Segment } from './criticalPath';
import { formatMicros, roundTicks } from './duration';
import type { View } from './Minimap';
import { endOf, type Span, type Trace } from './model';
import { rowHeight, rowTops, useWindowRows } from './rows';
import { SpanDetails } from './SpanDetails';

const indent = 14;
/** Deeper levels are not moved further right: the names would leave their column. */
const mostIndents = 16;

export const rowId = (id: string, index: number): string => `span-${id}-${index}`;

interface RowProps {
  span: Span;
  top: number;
  view: View;
  color: string;
  path: Segment[] | undefined;
  /** Whether the service is the parent's, and need not be said again. */
  sameService: boolean;
  active: boolean;
  opened: boolean;
  collapsed: boolean;
  /** Undefined without a search. */
  matches: boolean | undefined;
  failedBelow: boolean;
  onOpen: (id: string) => void;
  onCollapse: (id: string) => void;
}

const share = (us: number, { from, to }: View): number => ((us - from) / Math.max(1, to - from)) * 100;

function Track({ span, view, color, path }: Pick<RowProps, 'span' | 'view' | 'color' | 'path'>) {
  const left = share(span.start, view);
  const right = share(endOf(span), view);
  const text = formatMicros(span.duration);
  const from = Math.max(0, left);
  const to = Math.min(100, right);
  const visible = right >= 0 && left <= 100;
  const place = to < 86 ? { left: `${to}%`, marginLeft: 6 } : from > 14 ? { right: `${100 - from}%`, marginRight: 6 } : { left: `${(from + to) / 2}%` };
  const inside = !(to < 86) && !(from > 14);
  return (
    <div className="span-track">
      {path
        ?.filter((s) => s.kind === 'wait')
        .map((s) => <span key={`w${s.from}`} className="path-wait" style={{ left: `${share(s.from, view)}%`, width: `${share(s.to, view) - share(s.from, view)}%` }} />)}
      {visible ? (
        <>
          <span className={`span-bar ${span.error ? 'failed' : ''}`} style={{ left: `${from}%`, width: `${to - from}%`, background: color }} />
          {path
            ?.filter((s) => s.kind !== 'wait')
            .map((s) => <span key={s.from} className={`path-part ${s.kind}`} style={{ left: `${share(s.from, view)}%`, width: `${share(s.to, view) - share(s.from, view)}%` }} />)}
          {span.events.map((event, i) => (
            <span key={i} className="span-event" style={{ left: `${share(event.at, view)}%` }} title={`${event.name} at ${formatMicros(event.at)}`} />
          ))}
          <span className={`span-duration ${inside ? 'inside' : to < 86 ? '' : 'before'}`} style={place}>
            {text}
          </span>
        </>
      ) : (
        <span className="span-duration elsewhere" style={right < 0 ? { left: 6 } : { right: 6 }}>
          {right < 0 ? `← ${text}` : `${text} →`}
        </span>
      )}
    </div>
  );
}

const Row = memo(function Row(props: RowProps) {
  const { span, top, active, opened, collapsed, matches, color, sameService } = props;
  const toggle = (event: MouseEvent) => {
    event.stopPropagation();
    props.onCollapse(span.id);
  };
  const classes = ['span-row', active ? 'active' : '', opened ? 'opened' : '', matches === false ? 'dimmed' : matches ? 'matches' : ''].join(' ');
  return (
    <div
      id={rowId(span.id, span.index)}
      className={classes}
      style={{ top }}
      role="treeitem"
      aria-level={span.depth + 1}
      aria-selected={active}
      aria-expanded={span.children.length > 0 ? !collapsed : undefined}
      aria-label={`${span.service} ${span.operation}, ${formatMicros(span.duration)}${span.error ? ', failed' : ''}`}
      onClick={() => props.onOpen(span.id)}
    >
      <div className="span-name" style={{ paddingLeft: 6 + Math.min(span.depth, mostIndents) * indent }} title={`${span.service} ${span.operation}`}>
        {span.children.length > 0 ? (
          <button type="button" tabIndex={-1} className={`span-toggle ${collapsed ? 'closed' : ''}`} aria-label={collapsed ? 'Show what is below' : 'Hide what is below'} onClick={toggle}>
            <Icon name="chevron" size={11} />
          </button>
        ) : (
          <span className="span-toggle" />
        )}
        <span className="span-color" style={{ background: color }} />
        {(span.error || (collapsed && props.failedBelow)) && (
          <span className="span-failed" title={span.error ? `failed${span.message ? `: ${span.message}` : ''}` : 'a span below failed'}>
            <Icon name="warning" size={13} />
          </span>
        )}
        {(span.missingParent || span.early > 0) && (
          <span className="span-odd" title={span.missingParent ? 'its parent is not in the trace' : 'it begins before its parent: the clocks differ'}>
            <Icon name={span.missingParent ? 'link' : 'clock'} size={12} />
          </span>
        )}
        {!sameService && <b>{span.service}</b>}
        <span className="span-operation">{span.operation}</span>
        {collapsed && <span className="count">{span.descendants}</span>}
      </div>
      <Track span={span} view={props.view} color={color} path={props.path} />
    </div>
  );
});

export interface WaterfallProps {
  trace: Trace;
  rows: Span[];
  view: View;
  colorOf: (service: string) => string;
  path: ReadonlyMap<number, Segment[]>;
  collapsed: ReadonlySet<string>;
  opened: ReadonlySet<string>;
  active: number;
  /** Undefined without a search. */
  matches: ReadonlySet<number> | undefined;
  onOpen: (id: string) => void;
  onSelect: (id: string) => void;
  onCollapse: (id: string) => void;
}

export function Waterfall(props: WaterfallProps) {
  const { trace, rows, view, path, collapsed, opened, active, matches, colorOf } = props;
  const holder = useRef<HTMLDivElement>(null);
  const [heights, setHeights] = useState<ReadonlyMap<string, number>>(new Map());
  const onHeight = useCallback((id: string, height: number) => setHeights((old) => (old.get(id) === height ? old : new Map(old).set(id, height))), []);
  const tops = useMemo(() => rowTops(rows, opened, heights), [rows, opened, heights]);
  const [first, last] = useWindowRows(tops, holder);
  const failed = useMemo(() => {
    const below = new Set<number>();
    for (const span of trace.spans) {
      if (!span.error) continue;
      for (let at = span.parent; at >= 0 && !below.has(at); at = (trace.spans[at] as Span).parent) below.add(at);
    }
    return below;
  }, [trace]);
  const ticks = roundTicks(view.from, view.to, 5);
  const activeSpan = trace.spans[active];
  return (
    <div className="waterfall">
      <div className="waterfall-head">
        <span>Service and operation</span>
        <div className="waterfall-ticks">
          {ticks.map((tick) => (
            <span key={tick} style={{ left: `${share(tick, view)}%` }} className={share(tick, view) > 94 ? 'at-end' : ''}>
              {formatMicros(tick)}
            </span>
          ))}
        </div>
      </div>
      <div
        className="waterfall-rows"
        ref={holder}
        role="tree"
        tabIndex={0}
        aria-label={`${trace.spans.length} spans`}
        aria-activedescendant={activeSpan ? rowId(activeSpan.id, activeSpan.index) : undefined}
        style={{ height: tops[rows.length] }}
      >
        <div className="waterfall-grid" aria-hidden="true">
          {ticks.map((tick) => (
            <span key={tick} style={{ left: `${share(tick, view)}%` }} />
          ))}
        </div>
        {rows.slice(first, last).map((span, i) => {
          const top = tops[first + i] as number;
          const isOpen = opened.has(span.id);
          return [
            <Row
              key={span.index}
              span={span}
              top={top}
              view={view}
              color={colorOf(span.service)}
              path={path.get(span.index)}
              sameService={trace.spans[span.parent]?.service === span.service}
              active={span.index === active}
              opened={isOpen}
              collapsed={collapsed.has(span.id)}
              matches={matches?.has(span.index)}
              failedBelow={failed.has(span.index)}
              onOpen={props.onOpen}
              onCollapse={props.onCollapse}
            />,
            isOpen && <SpanDetails key={`d${span.index}`} trace={trace} span={span} top={top + rowHeight} onHeight={onHeight} onSelect={props.onSelect} />,
          ];
        })}
      </div>
    </div>
  );
}
