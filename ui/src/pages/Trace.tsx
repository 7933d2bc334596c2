/**
 * One trace: header, overview, and the waterfall of its spans. Input: the id in the path; `span` in the URL opens a span, `find` searches, `clocks`
 * chooses how clocks that differ are drawn.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { loadTrace } from '../api/jaeger';
import { Popover } from '../app/Popover';
import { Link, setParameters, useUrl } from '../app/router';
import { useTheme } from '../app/theme';
import { refreshNow, usePageDefaults, useTick } from '../app/time';
import { useLazyParameter } from '../app/useLazyParameter';
import { useLoad } from '../app/useLoad';
import '../styles/traces.css';
import { serviceColors } from '../traces/colors';
import { criticalPath, segmentsBySpan } from '../traces/criticalPath';
import { Minimap, type View } from '../traces/Minimap';
import { alignClocks, endOf, isSkewed, traceOf, type Span, type Trace } from '../traces/model';
import { ancestorsOf, findSpans, nextOf, rowHeight, visibleRows } from '../traces/rows';
import { isTraceId, titleOf, traceIdHelp } from '../traces/searchState';
import { TraceHeader } from '../traces/TraceHeader';
import { keyHelp, useTraceKeys, type TraceAction } from '../traces/useTraceKeys';
import { rowId, Waterfall } from '../traces/Waterfall';

const without = (set: ReadonlySet<string>, ids: string[]): ReadonlySet<string> => (ids.some((id) => set.has(id)) ? new Set([...set].filter((id) => !ids.includes(id))) : set);

const toggled = (set: ReadonlySet<string>, id: string): ReadonlySet<string> => {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
};

/** Brings the row of a span into the window, below the page's and the waterfall's heads. */
function reveal(span: Span): void {
  // after the rows have been rendered; a row far away is first scrolled near, where it then is
  requestAnimationFrame(() => document.getElementById(rowId(span.id, span.index))?.scrollIntoView({ block: 'nearest' }));
}

/** Scrolls to a row that is not in the document yet. */
function scrollToRow(at: number): void {
  const tree = document.querySelector('.waterfall-rows');
  if (!tree) return;
  const top = tree.getBoundingClientRect().top + window.scrollY + at;
  const inView = top > window.scrollY + 90 && top < window.scrollY + window.innerHeight - 60;
  if (!inView) window.scrollTo({ top: top - window.innerHeight / 3 });
}

function Loaded({ trace: asSent }: { trace: Trace }) {
  const url = useUrl();
  const theme = useTheme();
  const skewed = useMemo(() => isSkewed(asSent), [asSent]);
  const align = skewed && url.searchParams.get('clocks') !== 'as-sent';
  const trace = useMemo(() => (align ? alignClocks(asSent) : asSent), [asSent, align]);
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState<ReadonlySet<string>>(() => new Set(url.searchParams.getAll('span')));
  const [zoom, setZoom] = useState<View | undefined>();
  const [showPath, setShowPath] = useState(true);
  const [chosen, choose] = useLazyParameter('span');
  const [asked, ask] = useLazyParameter('find');
  const words = asked ?? '';
  const field = useRef<HTMLInputElement>(null);
  const colors = useMemo(() => serviceColors(trace.services.map((s) => s.name), theme), [trace, theme]);
  const colorOf = useCallback((service: string) => colors.get(service) ?? 'var(--accent)', [colors]);
  const path = useMemo(() => criticalPath(trace), [trace]);
  const segments = useMemo(() => (showPath ? segmentsBySpan(path) : new Map<number, never[]>()), [path, showPath]);
  const rows = useMemo(() => visibleRows(trace, collapsed), [trace, collapsed]);
  const found = useMemo(() => findSpans(trace, words), [trace, words]);
  const matches = useMemo(() => (words.trim() ? new Set(found) : undefined), [found, words]);
  const failures = useMemo(() => trace.spans.filter((s) => s.error).map((s) => s.index), [trace]);
  const active = Math.max(0, trace.spans.findIndex((s) => s.id === chosen));
  const view = zoom ?? { from: 0, to: Math.max(1, trace.duration) };
  const { service, operation } = titleOf(trace);

  useEffect(() => {
    document.title = `${service} ${operation} – tidewatch`;
    return () => {
      document.title = 'tidewatch';
    };
  }, [service, operation]);

  const activate = useCallback(
    (span: Span | undefined) => {
      if (!span) return;
      const above = ancestorsOf(trace, span);
      const shown = without(collapsed, above);
      setCollapsed(shown);
      choose(span.id);
      const at = visibleRows(trace, shown).findIndex((row) => row.index === span.index);
      scrollToRow(at * rowHeight);
      reveal(span);
    },
    [trace, collapsed],
  );
  const open = useCallback((id: string) => {
    setOpened((old) => toggled(old, id));
    choose(id);
  }, []);
  const collapse = useCallback((id: string) => setCollapsed((old) => toggled(old, id)), []);
  const select = useCallback(
    (id: string) => {
      setOpened((old) => new Set(old).add(id));
      activate(trace.spans.find((s) => s.id === id));
    },
    [trace, activate],
  );
  // a permalink shows its span
  useEffect(() => {
    if (chosen) activate(trace.spans.find((s) => s.id === chosen));
  }, []);
  const find = (text: string) => ask(text || null);
  const act = (action: TraceAction) => {
    const span = trace.spans[active];
    const at = rows.findIndex((r) => r.index === active);
    const middle = (view.from + view.to) / 2;
    switch (action) {
      case 'next':
        return activate(chosen ? rows[Math.min(rows.length - 1, at + 1)] : rows[0]);
      case 'previous':
        return activate(rows[Math.max(0, at - 1)]);
      case 'first':
        return activate(rows[0]);
      case 'last':
        return activate(rows.at(-1));
      case 'expand':
        if (span && collapsed.has(span.id)) return collapse(span.id);
        return activate(trace.spans[span?.children[0] ?? active]);
      case 'collapse':
        if (span && span.children.length > 0 && !collapsed.has(span.id)) return collapse(span.id);
        return activate(trace.spans[span?.parent ?? -1]);
      case 'open':
        return span && open(span.id);
      case 'find':
        return field.current?.focus();
      case 'nextMatch':
        return activate(trace.spans[nextOf(found, chosen ? active : -1) ?? -1]);
      case 'previousMatch':
        return activate(trace.spans[nextOf(found, active, true) ?? -1]);
      case 'nextError':
        return activate(trace.spans[nextOf(failures, chosen ? active : -1) ?? -1]);
      case 'zoomIn':
        if (span) setZoom({ from: Math.max(0, span.start - span.duration * 0.1), to: Math.max(endOf(span) + span.duration * 0.1, span.start + 2) });
        return undefined;
      case 'zoomOut': {
        const span2 = view.to - view.from;
        const wider = { from: Math.max(0, middle - span2), to: Math.min(trace.duration, middle + span2) };
        return setZoom(wider.from <= 0 && wider.to >= trace.duration ? undefined : wider);
      }
      case 'zoomAll':
        return setZoom(undefined);
      case 'collapseAll':
        return setCollapsed(new Set(trace.spans.filter((s) => s.children.length > 0 && s.depth > 0).map((s) => s.id)));
      case 'expandAll':
        return setCollapsed(new Set());
      case 'leave':
        return setOpened(new Set());
    }
  };
  useTraceKeys(act);
  const matchAt = found.indexOf(active);
  return (
    <div className="page trace">
      <TraceHeader trace={trace} path={path} colorOf={colorOf} onFind={find} />
      {trace.warnings.map((warning) => (
        <div key={warning} className="notice warn">
          {warning}
        </div>
      ))}
      {skewed && (
        <div className="notice warn" role="status">
          {align ? 'The clocks of this trace’s processes differ: spans that begin before their parent have been moved into it.' : 'The clocks of this trace’s processes differ: spans are drawn at the times they came with.'}
          <button type="button" className="text-button" onClick={() => setParameters({ clocks: align ? 'as-sent' : undefined }, { replace: true })}>
            {align ? 'Show the times as sent' : 'Move them'}
          </button>
        </div>
      )}
      <div className="card">
        <Minimap trace={trace} view={view} colorOf={colorOf} theme={theme.name} onView={setZoom} />
        <div className="trace-bar">
          <div className="find" role="search">
            <input
              ref={field}
              type="search"
              placeholder="Find in the trace"
              aria-label="Find in the trace"
              value={words}
              onChange={(event) => find(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === 'Enter') {
                  event.preventDefault();
                  act(event.shiftKey ? 'previousMatch' : 'nextMatch');
                }
                if (event.key === 'Escape') event.currentTarget.blur();
              }}
            />
            {matches && (
              <span className="muted" role="status">
                {found.length === 0 ? 'no span matches' : `${matchAt >= 0 ? `${matchAt + 1} of ` : ''}${found.length} ${found.length === 1 ? 'span' : 'spans'}`}
              </span>
            )}
          </div>
          {failures.length > 0 && (
            <button type="button" className="button" onClick={() => act('nextError')}>
              Next error
            </button>
          )}
          <button type="button" className="button" onClick={() => act(collapsed.size > 0 ? 'expandAll' : 'collapseAll')}>
            {collapsed.size > 0 ? 'Expand all' : 'Collapse all'}
          </button>
          {zoom && (
            <button type="button" className="button" onClick={() => setZoom(undefined)}>
              Whole trace
            </button>
          )}
          <label className="check">
            <input type="checkbox" checked={showPath} onChange={(event) => setShowPath(event.target.checked)} />
            Critical path
          </label>
          <Popover title="Keys" label="Keys" align="right" className="end">
            {() => (
              <dl className="key-help">
                {keyHelp.map(([keys, what]) => (
                  <div key={keys}>
                    <dt>{keys}</dt>
                    <dd>{what}</dd>
                  </div>
                ))}
              </dl>
            )}
          </Popover>
        </div>
        <Waterfall
          trace={trace}
          rows={rows}
          view={view}
          colorOf={colorOf}
          path={segments}
          collapsed={collapsed}
          opened={opened}
          active={chosen === null ? -1 : active}
          matches={matches}
          onOpen={open}
          onSelect={select}
          onCollapse={collapse}
        />
      </div>
    </div>
  );
}

function Unknown({ id }: { id: string }) {
  return (
    <div className="page narrow">
      <h1>No trace {id}</h1>
      <div className="notice" role="status">
        <p>It is not known here. It may be on its way: spans are shown a second or so after they end. It may not have been sampled (by default one request in ten is), or it is older than what is kept.</p>
        <p>
          <button type="button" className="button" onClick={refreshNow}>
            Look again
          </button>{' '}
          <Link href="/traces">Search traces</Link>
        </p>
      </div>
    </div>
  );
}

function NotAnId({ id }: { id: string }) {
  return (
    <div className="page narrow">
      <h1>“{id}” is not a trace id</h1>
      <p>
        {traceIdHelp} <Link href="/traces">Search traces</Link>
      </p>
    </div>
  );
}

export default function TracePage({ uid }: { uid: string }) {
  return isTraceId(uid) ? <TraceOf uid={uid} /> : <NotAnId id={uid} />;
}

function TraceOf({ uid }: { uid: string }) {
  usePageDefaults(undefined, 'off');
  const tick = useTick();
  const { value, error, loading } = useLoad(
    async (signal) => {
      const raw = await loadTrace(uid, signal);
      return { trace: raw && raw.spans.length > 0 ? traceOf(raw) : undefined };
    },
    [uid, tick],
  );
  if (error && !value) {
    return (
      <div className="page narrow">
        <div className="notice error" role="alert">
          The trace {uid} could not be read: {error}
        </div>
      </div>
    );
  }
  if (value?.trace) return <Loaded trace={value.trace} />;
  return value && !loading ? <Unknown id={uid} /> : <div className="page" aria-busy="true" />;
}
