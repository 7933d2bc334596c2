/** All that is known of one span: status, attributes, resource, events, links, warnings, and the ways to its pod's metrics and logs. */
import { useLayoutEffect, useMemo, useRef } from 'react';
import type { KeyValue } from '../api/jaeger';
import { Icon } from '../app/icons';
import { Link } from '../app/router';
import { formatAbsolute } from '../time/range';
import { selfTime } from './criticalPath';
import { formatMicros } from './duration';
import { metricsHref, podHref, podOfSpan, rangeAround } from './jumps';
import { valueText, type Span, type Trace } from './model';
import { searchHref, traceHref } from './searchState';
import { formatTags } from './tags';

/** Objects and lists that came as text are shown indented. */
function pretty(text: string): string {
  if (!/^[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Values({ title, values, service, open = true }: { title: string; values: KeyValue[]; service?: string; open?: boolean }) {
  if (values.length === 0) return null;
  return (
    <details className="span-section" open={open}>
      <summary>
        {title} <span className="muted">{values.length}</span>
      </summary>
      <table className="span-values">
        <tbody>
          {[...values]
            .sort((a, b) => a.key.localeCompare(b.key))
            .map(({ key, value }, i) => (
              <tr key={`${key} ${i}`}>
                <th scope="row">{key}</th>
                <td>
                  <span className={typeof value === 'string' ? '' : 'typed'}>{pretty(valueText(value))}</span>
                  {service !== undefined && (
                    <Link className="value-search" href={searchHref({ service, tags: formatTags({ [key]: valueText(value) }) })} aria-label={`Find traces with this ${key}`} title="Find traces with this value">
                      <Icon name="search" size={12} />
                    </Link>
                  )}
                </td>
              </tr>
            ))}
        </tbody>
      </table>
    </details>
  );
}

function Events({ span }: { span: Span }) {
  if (span.events.length === 0) return null;
  return (
    <details className="span-section" open>
      <summary>
        Events <span className="muted">{span.events.length}, by the time since the start of the trace</span>
      </summary>
      <ul className="span-events">
        {span.events.map((event, i) => (
          <li key={i}>
            <p>
              <span className="event-time">{formatMicros(event.at)}</span> <b>{event.name}</b>
            </p>
            {event.fields.length > 0 && (
              <table className="span-values">
                <tbody>
                  {event.fields.map((field, k) => (
                    <tr key={k}>
                      <th scope="row">{field.key}</th>
                      <td>{pretty(valueText(field.value))}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Links({ trace, span, onSelect }: { trace: Trace; span: Span; onSelect: (id: string) => void }) {
  if (span.links.length === 0) return null;
  return (
    <details className="span-section" open>
      <summary>
        Links <span className="muted">{span.links.length}</span>
      </summary>
      <ul className="span-links">
        {span.links.map((link, i) => {
          const here = link.traceID === trace.id ? trace.spans.find((s) => s.id === link.spanID) : undefined;
          return (
            <li key={i}>
              {here ? (
                <button type="button" className="text-button" onClick={() => onSelect(here.id)}>
                  {here.service} {here.operation}
                </button>
              ) : (
                <Link href={traceHref(link.traceID, link.spanID)}>
                  span {link.spanID} of trace {link.traceID}
                </Link>
              )}{' '}
              <span className="muted">{link.refType === 'CHILD_OF' ? 'child of' : 'follows from'}</span>
            </li>
          );
        })}
      </ul>
    </details>
  );
}

function Jumps({ trace, span }: { trace: Trace; span: Span }) {
  const pod = podOfSpan(span);
  const range = rangeAround(trace, span, Date.now());
  return (
    <p className="span-jumps">
      {pod && (
        <>
          <Link className="button" href={metricsHref(pod, range)} title={`Latency and CPU of ${pod.name} around this span`}>
            Metrics of the pod
          </Link>
          <Link className="button" href={podHref(pod, range, trace.id)} title={`Lines of ${pod.name} that carry this trace id`}>
            Logs of this trace
          </Link>
          <Link className="button" href={podHref(pod, range)} title={pod.name}>
            Pod
          </Link>
        </>
      )}
      <Link className="button" href={searchHref({ service: span.service, operation: span.operation })}>
        Traces like this
      </Link>
      <Link className="button icon-button" href={traceHref(trace.id, span.id)} aria-label="Link to this span" title="Link to this span">
        <Icon name="link" size={14} />
      </Link>
    </p>
  );
}

function Problems({ span }: { span: Span }) {
  return (
    <>
      {span.error && (
        <div className="notice error">
          <strong>This span failed.</strong> {span.message}
        </div>
      )}
      {span.missingParent && (
        <div className="notice warn">Its parent, span {span.missingParent}, is not in the trace: it may still be on its way, or was never sent. It is drawn as a root.</div>
      )}
      {span.early > 0 && <div className="notice warn">It begins {formatMicros(span.early)} before its parent: the clocks of the two differ.</div>}
      {span.warnings.map((warning) => (
        <div key={warning} className="notice warn">
          {warning}
        </div>
      ))}
    </>
  );
}

interface SpanDetailsProps {
  trace: Trace;
  span: Span;
  top: number;
  onHeight: (id: string, height: number) => void;
  onSelect: (id: string) => void;
}

export function SpanDetails({ trace, span, top, onHeight, onSelect }: SpanDetailsProps) {
  const element = useRef<HTMLDivElement>(null);
  const self = useMemo(() => selfTime(trace, span), [trace, span]);
  useLayoutEffect(() => {
    const div = element.current as HTMLDivElement;
    const report = () => onHeight(span.id, div.offsetHeight);
    report();
    const observer = new ResizeObserver(report);
    observer.observe(div);
    return () => observer.disconnect();
  }, [span.id, onHeight]);
  return (
    <div className="span-details" ref={element} style={{ top }} role="group" aria-label={`Details of ${span.service} ${span.operation}`}>
      <div className="span-summary">
        <h3>
          {span.service} <span className="muted">{span.operation}</span>
        </h3>
        <Jumps trace={trace} span={span} />
      </div>
      <dl className="span-facts">
        <div>
          <dt>Duration</dt>
          <dd>{formatMicros(span.duration)}</dd>
        </div>
        <div>
          <dt>Without children</dt>
          <dd>{formatMicros(self)}</dd>
        </div>
        <div>
          <dt>Start</dt>
          <dd title={formatAbsolute((trace.start + span.start) / 1000)}>{formatMicros(span.start)}</dd>
        </div>
        {span.kind && (
          <div>
            <dt>Kind</dt>
            <dd>{span.kind}</dd>
          </div>
        )}
        <div>
          <dt>Status</dt>
          <dd className={span.error ? 'bad' : undefined}>{span.error ? 'error' : (valueText(span.tags.find((t) => t.key === 'otel.status_code')?.value ?? 'unset').toLowerCase())}</dd>
        </div>
        <div>
          <dt>Span id</dt>
          <dd className="mono">{span.id}</dd>
        </div>
      </dl>
      <Problems span={span} />
      <div className="span-columns">
        <Values title="Attributes" values={span.tags} service={span.service} />
        <Values title="Resource" values={span.resource} service={span.service} />
        <Events span={span} />
        <Links trace={trace} span={span} onSelect={onSelect} />
      </div>
    </div>
  );
}
