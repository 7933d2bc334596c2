/** What a trace is, at a glance: name, time, counts, services, and what its critical path consists of. */
import { useMemo } from 'react';
import { Link } from '../app/router';
import { formatAbsolute } from '../time/range';
import { pathShares, type Segment } from './criticalPath';
import { formatMicros } from './duration';
import type { Trace } from './model';
import { titleOf } from './searchState';

interface TraceHeaderProps {
  trace: Trace;
  path: Segment[];
  colorOf: (service: string) => string;
  onFind: (words: string) => void;
}

const plural = (count: number, one: string, more = `${one}s`) => `${count.toLocaleString('en')} ${count === 1 ? one : more}`;

const shownShares = 8;

const timeOf = (path: Segment[], kind: Segment['kind']): number => path.reduce((sum, s) => (s.kind === kind ? sum + s.to - s.from : sum), 0);

function PathShares({ trace, path, colorOf }: Omit<TraceHeaderProps, 'onFind'>) {
  const shares = useMemo(() => pathShares(trace, path.filter((s) => s.kind === 'work')), [trace, path]);
  const total = shares.reduce((sum, s) => sum + s.time, 0);
  if (total === 0) return null;
  const later = timeOf(path, 'later');
  const waiting = timeOf(path, 'wait');
  const percent = (time: number) => `${((100 * time) / total).toFixed(time / total < 0.1 ? 1 : 0)} %`;
  const rest = shares.slice(shownShares).reduce((sum, s) => sum + s.time, 0);
  return (
    <details className="path-shares">
      <summary title="What the duration of the request consists of">
        <span className="path-label">Critical path</span>
        <span className="path-bar" aria-hidden="true">
          {shares.map((s) => (
            <span key={`${s.service} ${s.operation}`} style={{ width: `${(100 * s.time) / total}%`, background: colorOf(s.service) }} title={`${s.service} ${s.operation}: ${percent(s.time)}`} />
          ))}
        </span>
        <span className="path-top">
          {shares[0]?.service} {shares[0]?.operation} {percent(shares[0]?.time ?? 0)} of {formatMicros(total)}
          {later + waiting > 0 && `, and ${formatMicros(later + waiting)} until its last consequence${waiting > 0 ? `, ${formatMicros(waiting)} of them waiting` : ''}`}
        </span>
      </summary>
      <ul>
        {shares.slice(0, shownShares).map((s) => (
          <li key={`${s.service} ${s.operation}`}>
            <span className="service-dot" style={{ background: colorOf(s.service) }} />
            <span>
              <b>{s.service}</b> {s.operation}
            </span>
            <span className="number">{formatMicros(s.time)}</span>
            <span className="number muted">{percent(s.time)}</span>
          </li>
        ))}
        {rest > 0 && (
          <li>
            <span />
            <span className="muted">{shares.length - shownShares} more</span>
            <span className="number">{formatMicros(rest)}</span>
            <span className="number muted">{percent(rest)}</span>
          </li>
        )}
      </ul>
    </details>
  );
}

export function TraceHeader({ trace, path, colorOf, onFind }: TraceHeaderProps) {
  const { service, operation } = titleOf(trace);
  const odd = trace.roots.length > 1 ? `, ${trace.roots.length} roots` : '';
  return (
    <>
      <div className="page-head trace-head">
        <h1>
          {service} <span className="muted">{operation}</span>
        </h1>
        <code className="trace-id" title="The id of the trace">
          {trace.id}
        </code>
        <span className="head-actions">
          <Link className="button" href={`/traces/compare?a=${trace.id}`}>
            Compare
          </Link>
          <a className="button" href={`/api/traces/${trace.id}`} download={`trace-${trace.id}.json`}>
            Download JSON
          </a>
        </span>
      </div>
      <dl className="trace-facts">
        <div>
          <dt>Start</dt>
          <dd>{formatAbsolute(trace.start / 1000)}</dd>
        </div>
        <div>
          <dt>Duration</dt>
          <dd>{formatMicros(trace.duration)}</dd>
        </div>
        <div>
          <dt>Spans</dt>
          <dd>
            {plural(trace.spans.length, 'span')}
            {odd}
          </dd>
        </div>
        <div>
          <dt>Services</dt>
          <dd>{trace.services.length}</dd>
        </div>
        <div>
          <dt>Depth</dt>
          <dd>{trace.depth}</dd>
        </div>
        <div>
          <dt>Errors</dt>
          <dd className={trace.errors > 0 ? 'bad' : undefined}>{trace.errors === 0 ? 'none' : trace.errors}</dd>
        </div>
      </dl>
      <div className="trace-services">
        {trace.services.map((s) => (
          <button key={s.name} type="button" className="service-chip" title={`Find the spans of ${s.name}`} onClick={() => onFind(s.name)}>
            <span className="service-dot" style={{ background: colorOf(s.name) }} />
            {s.name} {s.spans}
            {s.errors > 0 && <span className="bad"> · {s.errors} failed</span>}
          </button>
        ))}
      </div>
      <PathShares trace={trace} path={path} colorOf={colorOf} />
    </>
  );
}
