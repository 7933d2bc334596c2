/** The found traces, one row each: what it is, its services, its duration beside the longest, and a box to choose it for a comparison. */
import { memo } from 'react';
import { Link } from '../app/router';
import { formatAbsolute } from '../time/range';
import { ago, formatMicros } from './duration';
import type { Trace } from './model';
import { titleOf, traceHref } from './searchState';

interface RowProps {
  trace: Trace;
  longest: number;
  now: number;
  picked: boolean;
  colorOf: (service: string) => string;
  onPick: (id: string) => void;
}

const ResultRow = memo(function ResultRow({ trace, longest, now, picked, colorOf, onPick }: RowProps) {
  const { service, operation } = titleOf(trace);
  const startMs = trace.start / 1000;
  return (
    <li className={`result ${picked ? 'picked' : ''}`}>
      <input type="checkbox" checked={picked} aria-label={`Compare ${service} ${operation} ${trace.id.slice(0, 7)}`} title="Choose for a comparison" onChange={() => onPick(trace.id)} />
      <div className="result-main">
        <Link href={traceHref(trace.id)} className="result-title">
          <b>{service}</b> {operation} <span className="trace-id">{trace.id.slice(0, 7)}</span>
        </Link>
        <ul className="result-services" aria-label="Spans by service">
          {trace.services.map((s) => (
            <li key={s.name} className="service-chip" title={`${s.name}: ${s.spans} ${s.spans === 1 ? 'span' : 'spans'}${s.errors > 0 ? `, ${s.errors} with errors` : ''}`}>
              <span className="service-dot" style={{ background: colorOf(s.name) }} />
              {s.name} {s.spans}
              {s.errors > 0 && <span className="bad"> · {s.errors} failed</span>}
            </li>
          ))}
        </ul>
      </div>
      <span className="result-errors">{trace.errors > 0 && <span className="count bad">{trace.errors === 1 ? '1 error' : `${trace.errors} errors`}</span>}</span>
      <span className="result-spans muted">
        {trace.spans.length} {trace.spans.length === 1 ? 'span' : 'spans'}
      </span>
      <span className="result-duration">
        <span className="bar-track" aria-hidden="true">
          <span className="bar-fill" style={{ width: `${Math.max(0.5, (100 * trace.duration) / longest)}%`, background: trace.errors > 0 ? 'var(--bad)' : colorOf(service) }} />
        </span>
        <span>{formatMicros(trace.duration)}</span>
      </span>
      <time className="result-time muted" dateTime={new Date(startMs).toISOString()} title={formatAbsolute(startMs)}>
        {ago(startMs, now)}
      </time>
    </li>
  );
});

interface ResultListProps {
  traces: Trace[];
  picked: string[];
  now: number;
  colorOf: (service: string) => string;
  onPick: (id: string) => void;
}

export function ResultList({ traces, picked, now, colorOf, onPick }: ResultListProps) {
  const longest = Math.max(1, ...traces.map((t) => t.duration));
  return (
    <ul className="results" aria-label="Traces">
      {traces.map((trace) => (
        <ResultRow key={trace.id} trace={trace} longest={longest} now={now} picked={picked.includes(trace.id)} colorOf={colorOf} onPick={onPick} />
      ))}
    </ul>
  );
}
