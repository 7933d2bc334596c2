/** One autoscaler: what it measures against what, how many replicas it wants within which limits, its conditions, decisions and events. */
import { useMemo } from 'react';
import { listDecisions, type Autoscaler, type Condition } from '../api/scaling';
import { Link, useUrl } from '../app/router';
import { useTheme } from '../app/theme';
import { useTick } from '../app/time';
import { useLoad } from '../app/useLoad';
import { formatAbsolute, type TimeRange } from '../time/range';
import { ago } from '../traces/duration';
import { metricState } from './amounts';
import { autoscalerPanels } from './charts';
import { clockOf, DecisionList } from './DecisionList';
import { eventsOf, onlyChanges } from './decisions';
import { ScalingChart } from './ScalingChart';

/** Decisions are taken every 15 seconds: half an hour, and four hours where only changes are looked for. */
const recent = 120;
const forChanges = 1000;

function ReplicaTrack({ autoscaler: a }: { autoscaler: Autoscaler }) {
  const slots = Math.max(a.maxReplicas, a.currentReplicas, a.desiredReplicas);
  const text = `${a.currentReplicas} of at most ${a.maxReplicas} replicas, ${a.desiredReplicas} wanted, at least ${a.minReplicas}`;
  if (slots > 30) {
    const share = (value: number) => `${(100 * value) / slots}%`;
    return (
      <span className="bar-track replica-bar" role="img" aria-label={text}>
        <span className="bar-fill meter-fill" style={{ width: share(a.currentReplicas) }} />
      </span>
    );
  }
  return (
    <span className="replica-slots" role="img" aria-label={text} title={text}>
      {Array.from({ length: slots }, (_, i) => {
        const state = i < Math.min(a.currentReplicas, a.desiredReplicas) ? 'on' : i < a.desiredReplicas ? 'coming' : i < a.currentReplicas ? 'going' : 'free';
        return <span key={i} className={`slot ${state}${i < a.minReplicas ? ' least' : ''}`} />;
      })}
    </span>
  );
}

function Metrics({ autoscaler }: { autoscaler: Autoscaler }) {
  return (
    <ul className="hpa-metrics" aria-label={`Metrics of ${autoscaler.name}`}>
      {autoscaler.metrics.map((metric, i) => {
        const { name, share, currentText, targetText } = metricState(metric);
        const level = share === undefined ? 'unknown' : share > 1.1 ? 'above' : share > 0.9 ? 'near' : 'below';
        return (
          <li key={i}>
            <span className="metric-label" title={`${metric.type}: ${metric.name}`}>
              {name}
            </span>
            <span className={`metric-values ${level}`}>
              <b>{currentText}</b> / {targetText}
            </span>
            <span className="target-track" role="img" aria-label={share === undefined ? 'unknown' : `${Math.round(share * 100)} % of the target`}>
              <span className={`target-fill ${level}`} style={{ width: `${Math.min(100, (share ?? 0) * 50)}%` }} />
            </span>
          </li>
        );
      })}
    </ul>
  );
}

/** At rest an autoscaler is limited by its minimum: that is nothing to look at. */
function stateOf({ type, status, reason }: Condition): string {
  if (type !== 'ScalingLimited') return status === 'True' ? 'state state-up' : 'state state-down';
  return status === 'True' && reason !== 'TooFewReplicas' ? 'state state-warn' : 'state';
}

function Conditions({ conditions }: { conditions: Condition[] }) {
  if (conditions.length === 0) return <p className="muted">Not synced yet.</p>;
  return (
    <ul className="conditions">
      {conditions.map((c) => (
        <li key={c.type}>
          <span className={stateOf(c)} title={c.lastTransitionTime ? `since ${formatAbsolute(Date.parse(c.lastTransitionTime))}` : undefined}>
            {c.type} {c.status}
          </span>
          <span>
            <b>{c.reason}</b> <span className="muted">{c.message}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}

function LastScaling({ time }: { time: string | null | undefined }) {
  const ms = time ? Date.parse(time) : NaN;
  if (Number.isNaN(ms)) return <span className="muted">not scaled yet</span>;
  return (
    <span className="muted" title={formatAbsolute(ms)}>
      scaled {ago(ms, Date.now())}
    </span>
  );
}

export function workloadKey({ namespace, target }: Pick<Autoscaler, 'namespace' | 'target'>): string {
  return `${namespace}/${target.name}`;
}

function CardHead({ autoscaler: a, dashboard }: { autoscaler: Autoscaler; dashboard: string | undefined }) {
  return (
    <header className="card-head hpa-head">
      <h2>{a.name}</h2>
      <span className="muted">
        {a.target.kind}/{a.target.name} in {a.namespace}
      </span>
      {a.origin !== 'HorizontalPodAutoscaler' && <span className="tag">{a.origin}</span>}
      <span className="end hpa-links">
        <Link href={`/?pods=${encodeURIComponent(a.target.name)}`}>pods</Link>
        {dashboard && <Link href={`/d/${encodeURIComponent(dashboard)}?var-namespace=${encodeURIComponent(a.namespace)}`}>dashboard</Link>}
        <Link href={`/traces?service=${encodeURIComponent(a.target.name)}`}>traces</Link>
        <Link href={`/scaling/simulate?hpa=${encodeURIComponent(`${a.namespace}/${a.name}`)}`}>simulate</Link>
      </span>
    </header>
  );
}

export function AutoscalerCard({ autoscaler: a, range, dashboard }: { autoscaler: Autoscaler; range: TimeRange; dashboard: string | undefined }) {
  const theme = useTheme();
  const tick = useTick();
  const changes = useUrl().searchParams.get('decisions') === 'changes';
  const panels = useMemo(() => autoscalerPanels(a), [a.namespace, a.name]);
  const { value: decisions, error } = useLoad((signal) => listDecisions(a, changes ? forChanges : recent, signal), [a.namespace, a.name, changes, tick]);
  const events = useMemo(() => eventsOf(decisions ?? []), [decisions]);
  const annotations = useMemo(
    () => onlyChanges(decisions ?? []).map((d) => ({ timeMs: Date.parse(d.time), name: `${d.currentReplicas} → ${d.desiredReplicas}`, text: d.sentence, color: theme.color('blue') })),
    [decisions, theme],
  );
  const [replicas, metrics] = panels;
  return (
    <section className="card hpa" aria-label={a.name}>
      <CardHead autoscaler={a} dashboard={dashboard} />
      <div className="hpa-body">
        <div className="hpa-state">
          <p className="hpa-replicas">
            <span className="hpa-count">
              {a.currentReplicas}
              {a.desiredReplicas !== a.currentReplicas && <span className={a.desiredReplicas > a.currentReplicas ? 'change-up' : 'change-down'}> → {a.desiredReplicas}</span>}
            </span>
            <span className="muted">
              replicas, {a.minReplicas} to {a.maxReplicas}
            </span>
            <LastScaling time={a.lastScaleTime} />
          </p>
          <ReplicaTrack autoscaler={a} />
          <Metrics autoscaler={a} />
          <Conditions conditions={a.conditions} />
          {a.scaledObject?.failures?.map((failure) => (
            <p key={failure} className="notice warn">
              ScaledObject {a.scaledObject?.name}: {failure}
            </p>
          ))}
        </div>
        <div className="hpa-charts">
          <ScalingChart panel={replicas} range={range} syncKey="scaling" annotations={annotations} label={`Replicas of ${a.target.name} over time`} />
          <ScalingChart panel={metrics} range={range} syncKey="scaling" annotations={annotations} label={`Metrics of ${a.name} over time`} />
        </div>
      </div>
      <div className="hpa-why">
        <div>
          <h3>Decisions</h3>
          {error && (
            <p className="notice error" role="alert">
              The decisions could not be read: {error}
            </p>
          )}
          {decisions && <DecisionList decisions={decisions} changes={changes} title={`Decisions of ${a.name}`} />}
        </div>
        {events.length > 0 && (
          <div>
            <h3>Events</h3>
            <ul className="events" aria-label={`Events of ${a.name}`}>
              {events.slice(0, 8).map((event) => (
                <li key={event.key} className={event.warning ? 'warn' : undefined}>
                  <span className="log-clock">{clockOf(event.time)}</span> <b>{event.reason}</b> {event.message} {event.count > 1 && <span className="muted">({event.count} times)</span>}
                </li>
              ))}
            </ul>
          </div>
        )}
      </div>
    </section>
  );
}
