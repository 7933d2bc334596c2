/** Two traces beside each other: what only one of them has, what repeats, and what takes longer. Input: `a` and `b` in the URL. See traces/diff.ts. */
import { useMemo, useState } from 'react';
import { loadTrace } from '../api/jaeger';
import { Icon } from '../app/icons';
import { Link, setParameters, useUrl } from '../app/router';
import { useTheme } from '../app/theme';
import { usePageDefaults, useTick } from '../app/time';
import { useLoad } from '../app/useLoad';
import '../styles/traces.css';
import { formatAbsolute } from '../time/range';
import { serviceColors } from '../traces/colors';
import { diffTraces, summaryOf, type DiffRow, type Side } from '../traces/diff';
import { formatMicros } from '../traces/duration';
import { traceOf, type Trace } from '../traces/model';
import { isTraceId, readTraceId, titleOf, traceHref, traceIdHelp } from '../traces/searchState';

const states: Record<DiffRow['state'], { text: (row: DiffRow) => string; className: string } | undefined> = {
  same: undefined,
  more: { text: (row) => `${(row.b?.count ?? 0) - (row.a?.count ?? 0)} more in B`, className: 'count warn' },
  fewer: { text: (row) => `${(row.a?.count ?? 0) - (row.b?.count ?? 0)} fewer in B`, className: 'count warn' },
  'only-a': { text: () => 'only in A', className: 'count only-a' },
  'only-b': { text: () => 'only in B', className: 'count only-b' },
};

function IdField({ name, value }: { name: 'a' | 'b'; value: string }) {
  const [text, setText] = useState(value);
  const id = readTraceId(text);
  const bad = text !== '' && id === undefined;
  const apply = () => {
    if (!bad && (id ?? '') !== value) setParameters({ [name]: id });
  };
  return (
    <form
      className="compare-id"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <span className={`side side-${name}`}>{name.toUpperCase()}</span>
      <input type="search" aria-label={`Trace ${name.toUpperCase()}`} placeholder="Trace id" spellCheck={false} value={text} aria-invalid={bad} onChange={(event) => setText(event.target.value)} onBlur={apply} />
    </form>
  );
}

function TraceCard({ name, id, trace, missing, error }: { name: 'a' | 'b'; id: string; trace?: Trace; missing: boolean; error?: string }) {
  const title = trace && titleOf(trace);
  return (
    <section className="card compare-card" aria-label={`Trace ${name.toUpperCase()}`}>
      <IdField key={id} name={name} value={id} />
      {error && <p className="bad">It could not be read: {error}</p>}
      {missing && <p className="muted">{isTraceId(id) ? 'This trace is not known here. It may not have been sampled, or is older than what is kept.' : traceIdHelp}</p>}
      {trace && title && (
        <>
          <Link href={traceHref(trace.id)} className="compare-title">
            <b>{title.service}</b> {title.operation}
          </Link>
          <p className="muted">
            {formatMicros(trace.duration)} · {trace.spans.length} spans · {trace.services.length} services
            {trace.errors > 0 && <span className="bad"> · {trace.errors} with errors</span>} · {formatAbsolute(trace.start / 1000)}
          </p>
        </>
      )}
    </section>
  );
}

function SideCells({ side, id, longest, color }: { side: Side | undefined; id: string; longest: number; color: string }) {
  return (
    <>
      <td className="number">{side ? side.count : '–'}</td>
      <td className="diff-duration">
        {side && (
          <Link href={traceHref(id, side.spanId)} title="Open the first of these spans">
            <span className="bar-track">
              <span className="bar-fill" style={{ width: `${Math.max(0.5, (100 * side.duration) / longest)}%`, background: color }} />
            </span>
            <span className="diff-time">{formatMicros(side.duration)}</span>
            <span className="diff-failed" title={side.errors > 0 ? `${side.errors} failed` : undefined}>
              {side.errors > 0 && <Icon name="warning" size={12} />}
            </span>
          </Link>
        )}
      </td>
    </>
  );
}

function Difference({ row }: { row: DiffRow }) {
  if (!row.a || !row.b) return <td className="number muted">–</td>;
  const by = row.b.duration - row.a.duration;
  const share = row.a.duration > 0 ? by / row.a.duration : 0;
  const strong = Math.abs(share) >= 0.25 && Math.abs(by) >= 100;
  return (
    <td className={`number ${strong ? (by > 0 ? 'bad' : 'good') : 'muted'}`}>
      {by > 0 ? '+' : ''}
      {formatMicros(by)}
      {row.a.duration > 0 && <span className="diff-share">{`${share > 0 ? '+' : ''}${(100 * share).toFixed(0)} %`}</span>}
    </td>
  );
}

function DiffTable({ a, b }: { a: Trace; b: Trace }) {
  const theme = useTheme();
  const [only, setOnly] = useState(false);
  const rows = useMemo(() => diffTraces(a, b), [a, b]);
  const summary = useMemo(() => summaryOf(rows), [rows]);
  const colors = useMemo(() => serviceColors([...a.services, ...b.services].map((s) => s.name), theme), [a, b, theme]);
  const longest = Math.max(1, ...rows.flatMap((r) => [r.a?.duration ?? 0, r.b?.duration ?? 0]));
  const same = summary.onlyA + summary.onlyB + summary.extra + summary.missing === 0;
  const shown = only ? rows.filter((r) => r.differs) : rows;
  const parts = [
    summary.onlyA > 0 && `${summary.onlyA} spans only in A`,
    summary.onlyB > 0 && `${summary.onlyB} only in B`,
    summary.extra > 0 && `${summary.extra} more of the same in B`,
    summary.missing > 0 && `${summary.missing} fewer of the same in B`,
  ].filter(Boolean);
  return (
    <section className="card" aria-label="Differences">
      <div className="card-head">
        <h2>{same ? 'Both have the same spans' : 'Differences'}</h2>
        <span className="muted" role="status">
          {same ? 'Only their durations differ.' : parts.join(', ')}
        </span>
        {!same && (
          <label className="check end">
            <input type="checkbox" checked={only} onChange={(event) => setOnly(event.target.checked)} />
            Only what differs
          </label>
        )}
      </div>
      <div className="scroll-x">
        <table className="data-table diff-table">
          <thead>
            <tr>
              <th>Service and operation</th>
              <th />
              <th className="number">A</th>
              <th>Duration in A</th>
              <th className="number">B</th>
              <th>Duration in B</th>
              <th className="number">Difference</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => {
              const state = states[row.state];
              const color = colors.get(row.service) ?? 'var(--accent)';
              return (
                <tr key={row.key} className={`diff-${row.state}`}>
                  <td className="diff-name" style={{ paddingLeft: 10 + Math.min(row.depth, 14) * 16 }}>
                    <span className="service-dot" style={{ background: color }} />
                    <b>{row.service}</b> {row.operation}
                  </td>
                  <td>{state && <span className={state.className}>{state.text(row)}</span>}</td>
                  <SideCells side={row.a} id={a.id} longest={longest} color={color} />
                  <SideCells side={row.b} id={b.id} longest={longest} color={color} />
                  <Difference row={row} />
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function useTrace(id: string) {
  const tick = useTick();
  return useLoad(
    async (signal) => {
      const raw = isTraceId(id) ? await loadTrace(id, signal) : undefined;
      return { id, trace: raw && traceOf(raw) };
    },
    [id, tick],
  );
}

export default function TraceCompare() {
  usePageDefaults(undefined, 'off');
  const url = useUrl();
  const ids = { a: url.searchParams.get('a') ?? '', b: url.searchParams.get('b') ?? '' };
  const a = useTrace(ids.a);
  const b = useTrace(ids.b);
  const shown = (side: typeof a, id: string) => (side.value?.id === id ? side.value.trace : undefined);
  const [left, right] = [shown(a, ids.a), shown(b, ids.b)];
  const card = (name: 'a' | 'b', side: typeof a) => (
    <TraceCard name={name} id={ids[name]} trace={shown(side, ids[name])} error={side.error} missing={ids[name] !== '' && !side.loading && !side.error && shown(side, ids[name]) === undefined} />
  );
  return (
    <div className="page compare" aria-busy={a.loading || b.loading}>
      <div className="page-head">
        <h1>Compare two traces</h1>
        {ids.a && ids.b && (
          <button type="button" className="button" onClick={() => setParameters({ a: ids.b, b: ids.a })}>
            Swap
          </button>
        )}
      </div>
      <div className="compare-cards">
        {card('a', a)}
        {card('b', b)}
      </div>
      {(!ids.a || !ids.b) && (
        <p className="empty">
          Paste the ids of two traces, or choose two in the <Link href={ids.a ? `/traces?pick=${ids.a}` : '/traces'}>search</Link>.
        </p>
      )}
      {left && right && <DiffTable a={left} b={right} />}
    </div>
  );
}
