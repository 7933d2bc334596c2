/** What a simulation found, in words and numbers: the verdict, sums, each change of the load with its answer, each scaling with its reason. */
import type { Change, SimulationReport, Spread } from '../api/simulation';
import { elapsedText } from '../charts/ticks';
import { formatMicros } from '../traces/duration';

const minutes = (value: number): string => (value >= 100 ? String(Math.round(value)) : value.toFixed(1));
const wait = (seconds: number | null | undefined): string => (seconds == null ? '–' : elapsedText(seconds * 1000));

export function VerdictBar({ report, pending, tookMs }: { report: SimulationReport; pending: boolean; tookMs?: number }) {
  const { verdict, phases } = report;
  const judged = verdict.checks.length > 0;
  return (
    <section className={`verdict ${judged ? (verdict.passed ? 'passed' : 'missed') : ''}`} aria-label="Verdict" aria-busy={pending} aria-live="polite">
      <strong>{judged ? (verdict.passed ? 'Meets the targets' : 'Misses the targets') : 'No targets'}</strong>
      <ul>
        {verdict.checks.map((check) => (
          <li key={check.target} className={check.passed ? 'good' : 'bad'}>
            <span aria-hidden="true">{check.passed ? '✓' : '✗'}</span> <b>{check.target}</b>: {check.text}
          </li>
        ))}
      </ul>
      <span className="muted took">
        {phases.count > 1 && `${phases.count} phases`}
        {tookMs !== undefined && ` in ${formatMicros(tookMs * 1000)}`}
      </span>
    </section>
  );
}

const spread = (found: Spread | null | undefined): string => (found ? (found.min === found.max ? wait(found.max) : `${wait(found.min)} – ${wait(found.max)}`) : '–');

export function Sums({ report, queued }: { report: SimulationReport; queued: boolean }) {
  const { summary: s, phases } = report;
  const share = s.arrived > 0 ? s.failed / s.arrived : 0;
  const tiles: [string, string, string, boolean?][] = [
    ['Too few', `${minutes(s.underProvisionedPodMinutes)}`, 'pod-minutes that were needed and not ready', s.underProvisionedPodMinutes > 0.05 * s.podMinutes],
    ['Too many', `${minutes(s.overProvisionedPodMinutes)}`, 'pod-minutes that were there and not needed'],
    ['All pods', `${minutes(s.podMinutes)}`, `pod-minutes, at most ${s.mostReplicas} at once`],
    ['Up', spread(phases.upSeconds), 'from a rise until enough were ready'],
    ['Down', spread(phases.downSeconds), 'from a fall until no more were asked for'],
    ['Scalings', `${s.scaleUps} ↑ ${s.scaleDowns} ↓`, s.flaps === 0 ? 'no flapping' : `${s.flaps} of them flapping`, s.flaps > 0],
    queued ? ['Waiting', String(Math.round(s.mostWaiting)), 'events at most'] : ['Latency p99', formatMicros(s.latencyP99WorstSeconds * 1e6), `at worst; mean ${formatMicros(s.latencyMeanSeconds * 1e6)}`],
    ['Failed', `${(100 * share).toFixed(share > 0 && share < 0.1 ? 2 : 0)} %`, `${Math.round(s.failed)} of ${Math.round(s.arrived)}`, share > 0],
  ];
  return (
    <dl className="sums">
      {tiles.map(([title, value, detail, bad]) => (
        <div key={title} title={detail}>
          <dt>{title}</dt>
          <dd className={bad ? 'bad' : undefined}>{value}</dd>
          <dd className="muted">{detail}</dd>
        </div>
      ))}
    </dl>
  );
}

function answerOf(change: Change): string {
  if (change.seconds != null) return `${wait(change.seconds)}`;
  if (change.unfinished) return `not finished when the simulation ended, ${wait(change.waitedSeconds)} later`;
  return change.superseded ? `not yet after ${wait(change.waitedSeconds)}, when the load turned` : 'never';
}

export function Changes({ report }: { report: SimulationReport }) {
  if (report.changes.length === 0) return null;
  return (
    <section className="card">
      <h2>Changes of the load and their answers</h2>
      <div className="scroll-x">
        <table className="data-table">
          <thead>
            <tr>
              <th>At</th>
              <th>Needed</th>
              <th className="number">First scaling after</th>
              <th>{'Done after'}</th>
            </tr>
          </thead>
          <tbody>
            {report.changes.slice(0, 100).map((change) => (
              <tr key={`${change.timeSeconds} ${change.direction}`}>
                <td>{wait(change.timeSeconds)}</td>
                <td>
                  <span className={`change change-${change.direction}`}>
                    {change.from} → {change.to}
                  </span>
                </td>
                <td className="number">{wait(change.firstScalingSeconds)}</td>
                <td className={change.seconds == null && !change.superseded && !change.unfinished ? 'bad' : undefined}>{answerOf(change)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function Scalings({ report }: { report: SimulationReport }) {
  if (report.scalings.length === 0) return null;
  return (
    <section className="card">
      <h2>Scalings</h2>
      <ol className="simulated-scalings" aria-label="Simulated scalings">
        {report.scalings.slice(0, 100).map((scaling) => (
          <li key={scaling.timeSeconds}>
            <span className="muted">{wait(scaling.timeSeconds)}</span>
            <span className={`change change-${scaling.to > scaling.from ? 'up' : 'down'}`}>
              {scaling.from} → {scaling.to}
            </span>
            <span>{scaling.sentence}</span>
          </li>
        ))}
      </ol>
      {report.scalings.length > 100 && <p className="empty">and {report.scalings.length - 100} more</p>}
    </section>
  );
}

export function Notes({ report }: { report: SimulationReport }) {
  return (
    <>
      {report.warnings.length > 0 && (
        <div className="notice warn" role="status">
          {report.warnings.map((warning) => (
            <p key={warning}>{warning}</p>
          ))}
        </div>
      )}
      {report.models.length > 0 && (
        <details className="card models">
          <summary>The models behind the figures</summary>
          <ul>
            {report.models.map((model) => (
              <li key={model}>{model}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
