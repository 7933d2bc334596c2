/**
 * The first page: workloads and their replicas, pods with what they use, targets, and the machine. A pod opens a drawer with its logs and charts.
 * Reads PromQL and the targets API only; see overviewData.ts.
 */
import { useState } from 'react';
import { Link, setParameters, useUrl } from '../app/router';
import { useLazyParameter } from '../app/useLazyParameter';
import { useTheme } from '../app/theme';
import { usePageDefaults, useTimeRange } from '../app/time';
import { useLoad } from '../app/useLoad';
import { Sparkline } from '../charts/Sparkline';
import { formatMicros } from '../traces/duration';
import { rateText, shareText } from '../traces/rates';
import { searchHref } from '../traces/searchState';
import { bytes, cores, coresOf, percent } from './format';
import { loadFiring, type FiringSummary } from './overviewAlerts';
import { FiringAlerts } from './FiringAlerts';
import { loadOverview, scalingOf, type Overview, type PodRow, type Workload } from './overviewData';
import { PodDrawer } from './PodDrawer';

function Meter({ share, text, label }: { share: number | undefined; text: string; label: string }) {
  const level = share === undefined ? '' : share > 0.9 ? 'bad' : share > 0.75 ? 'warn' : '';
  return (
    <span className="meter" title={label}>
      {share === undefined ? (
        <span className="meter-unlimited">no limit</span>
      ) : (
        <span className="bar-track">
          <span className={`bar-fill meter-fill ${level}`} style={{ width: `${Math.min(100, share * 100)}%` }} />
        </span>
      )}
      <span className="meter-text">{text}</span>
    </span>
  );
}

function Tile({ title, value, detail, bad, children, href }: { title: string; value: string; detail: string; bad?: boolean; children?: React.ReactNode; href?: string }) {
  return (
    <section className="card tile">
      <h2>{href ? <Link href={href}>{title}</Link> : title}</h2>
      <p className={bad ? 'tile-value bad' : 'tile-value'}>{value}</p>
      <p className="tile-detail">{detail}</p>
      {children}
    </section>
  );
}

function Summary({ data, alerts }: { data: Overview; alerts: FiringSummary | undefined }) {
  const { color } = useTheme();
  const { workloads, pods, targets, node, requests } = data;
  const up = targets.filter((t) => t.health === 'up').length;
  const ready = pods.filter((p) => p.ready).length;
  const restarts = pods.reduce((sum, p) => sum + p.restarts, 0);
  const whole = workloads.filter((w) => w.available >= w.desired).length;
  const scaled = scalingOf(workloads);
  return (
    <div className="summary">
      {alerts && (
        <Tile
          title="Alerts"
          href="/alerts"
          value={String(alerts.firing.length)}
          detail={`${alerts.firing.length === 1 ? 'fires' : 'fire'}, ${alerts.pending} pending${alerts.silenced > 0 ? `, ${alerts.silenced} silenced` : ''}`}
          bad={alerts.firing.length > 0}
        />
      )}
      {workloads.length > 0 && (
        <Tile title="Workloads" value={`${whole} / ${workloads.length}`} detail="have all their replicas" bad={whole < workloads.length} />
      )}
      {pods.length > 0 && (
        <Tile title="Pods" value={`${ready} / ${pods.length}`} detail={`ready, ${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`} bad={ready < pods.length} />
      )}
      {scaled && (
        <Tile title="Autoscaling" href="/scaling" value={`${scaled.replicas} / ${scaled.most}`} detail={scaled.atMost === 0 ? 'replicas of those allowed' : `replicas; ${scaled.atMost} at ${scaled.atMost === 1 ? 'its' : 'their'} maximum`} bad={scaled.atMost > 0} />
      )}
      <Tile title="Targets" href="/targets" value={`${up} / ${targets.length}`} detail={targets.length === 0 ? 'nothing is scraped yet' : 'up'} bad={up < targets.length} />
      {requests.rate !== undefined && (
        <Tile
          title="Requests"
          href="/services"
          value={rateText(requests.rate)}
          detail={`${shareText(requests.errors)} errors${requests.p95 === undefined ? '' : `, p95 ${formatMicros(requests.p95 * 1000)}`}`}
          bad={(requests.errors ?? 0) > 0.01}
        >
          <Link className="tile-link" href="/traces">
            Traces
          </Link>
        </Tile>
      )}
      {node.cpu !== undefined && (
        <Tile title="CPU of the machine" value={percent(node.cpu)} detail={`of ${node.cores ?? '?'} cores`}>
          <Sparkline values={node.history} color={color('blue')} fill={0.15} width={80} height={34} min={0} />
        </Tile>
      )}
      {node.memory !== undefined && (
        <Tile title="Memory of the machine" value={percent(node.memory)} detail={`${bytes(node.memoryUsed)} of ${bytes(node.memoryTotal)}`} bad={node.memory > 0.95} />
      )}
    </div>
  );
}

function Replicas({ workload }: { workload: Workload }) {
  const { desired, ready, available } = workload;
  const dots = Math.min(Math.max(desired, ready), 20);
  return (
    <span className="replicas" role="img" aria-label={`${ready} of ${desired} ready`}>
      {Array.from({ length: dots }, (_, i) => (
        <span key={i} className={i < available ? 'dot good' : i < ready ? 'dot warn' : 'dot'} />
      ))}
    </span>
  );
}

function Workloads({ workloads }: { workloads: Workload[] }) {
  return (
    <section className="card">
      <h2>Workloads</h2>
      <div className="scroll-x">
        <table className="data-table">
          <thead>
            <tr>
              <th>Deployment</th>
              <th>Namespace</th>
              <th>Replicas</th>
              <th className="number">Desired</th>
              <th className="number">Ready</th>
              <th className="number">Available</th>
              <th className="number">Autoscaling</th>
              <th aria-label="Traces" />
            </tr>
          </thead>
          <tbody>
            {workloads.map((w) => (
              <tr key={`${w.namespace}/${w.name}`}>
                <td className="strong">{w.name}</td>
                <td className="muted">{w.namespace}</td>
                <td>
                  <Replicas workload={w} />
                </td>
                <td className="number">{w.desired}</td>
                <td className={w.ready < w.desired ? 'number bad' : 'number'}>{w.ready}</td>
                <td className={w.available < w.desired ? 'number bad' : 'number'}>{w.available}</td>
                <td className="number">
                  {w.limits ? (
                    <Link href={`/scaling?workload=${encodeURIComponent(`${w.namespace}/${w.name}`)}`} aria-label={`Scaling of ${w.name}: ${w.desired} of at most ${w.limits.max} replicas`} title={`${w.desired} of at most ${w.limits.max} replicas, at least ${w.limits.min}`}>
                      {w.desired} / {w.limits.max}
                    </Link>
                  ) : (
                    <span className="muted">–</span>
                  )}
                </td>
                <td className="number">
                  <Link href={searchHref({ service: w.name })} aria-label={`Traces of ${w.name}`}>
                    traces
                  </Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function stateOf(pod: PodRow): { text: string; className: string } {
  if (pod.waiting) return { text: pod.waiting, className: pod.waiting === 'ContainerCreating' ? 'state-Pending' : 'state-trouble' };
  if (pod.phase === 'Running' && !pod.ready) return { text: 'Not ready', className: 'state-warn' };
  return { text: pod.phase, className: `state-${pod.phase}` };
}

function PodLine({ pod, onOpen }: { pod: PodRow; onOpen: () => void }) {
  const { color } = useTheme();
  const state = stateOf(pod);
  const memory = pod.memory !== undefined && pod.memoryLimit ? pod.memory / pod.memoryLimit : undefined;
  const cpu = pod.cpu !== undefined && pod.cpuLimit ? pod.cpu / pod.cpuLimit : undefined;
  return (
    <tr className="clickable" onClick={onOpen}>
      <td>
        <button type="button" className="row-button strong" onClick={onOpen} title="Logs and charts">
          {pod.name}
        </button>
      </td>
      <td className="muted">{pod.namespace}</td>
      <td>
        <span className={`state ${state.className}`}>{state.text}</span>
      </td>
      <td className={pod.restarts > 0 ? 'number warn' : 'number'}>{pod.restarts}</td>
      <td>
        <Meter share={cpu} text={pod.cpuLimit ? coresOf(pod.cpu, pod.cpuLimit) : cores(pod.cpu)} label={pod.cpuLimit ? 'CPU in cores, of the limit' : 'CPU in cores, no limit'} />
      </td>
      <td className="spark">
        <Sparkline values={pod.history} color={color('blue')} fill={0.15} width={110} height={22} min={0} />
      </td>
      <td>
        <Meter share={memory} text={pod.memoryLimit ? `${bytes(pod.memory)} / ${bytes(pod.memoryLimit)}` : bytes(pod.memory)} label={pod.memoryLimit ? 'Working set, of the memory limit' : 'Working set, no memory limit'} />
      </td>
      <td className="muted">{pod.ip}</td>
    </tr>
  );
}

function Pods({ pods, onOpen }: { pods: PodRow[]; onOpen: (pod: PodRow) => void }) {
  const [wanted, setFilter] = useLazyParameter('pods');
  const filter = wanted ?? '';
  const shown = pods.filter((p) => `${p.name} ${p.namespace} ${p.phase} ${p.ip}`.toLowerCase().includes(filter.toLowerCase()));
  return (
    <section className="card">
      <div className="card-head">
        <h2>Pods</h2>
        {(pods.length > 8 || filter !== '') && (
          <input className="end" type="search" placeholder="Filter" aria-label="Filter pods" value={filter} onChange={(event) => setFilter(event.target.value || null)} />
        )}
      </div>
      <div className="scroll-x">
        <table className="data-table">
          <thead>
            <tr>
              <th>Pod</th>
              <th>Namespace</th>
              <th>State</th>
              <th className="number">Restarts</th>
              <th className="meter-column">CPU</th>
              <th className="spark-column" aria-label="CPU over time" />
              <th className="meter-column">Memory</th>
              <th>Address</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((pod) => (
              <PodLine key={`${pod.namespace}/${pod.name}`} pod={pod} onOpen={() => onOpen(pod)} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function TroubledPods({ data, onOpen }: { data: Overview; onOpen: (pod: PodRow) => void }) {
  const [all, setAll] = useState(false);
  const { troubles } = data;
  if (troubles.length === 0) return null;
  const shown = all ? troubles : troubles.slice(0, 5);
  return (
    <div className="notice error" role="status" aria-label="Pods in trouble">
      {shown.map(({ pod, reason, detail }) => (
        <p key={`${pod.namespace}/${pod.name}`}>
          <button type="button" className="row-button strong" onClick={() => onOpen(pod)}>
            {pod.name}
          </button>{' '}
          <span className="muted">in {pod.namespace}</span> {reason}
          {detail && `: ${detail}`}
        </p>
      ))}
      {shown.length < troubles.length && (
        <button type="button" className="text-button" onClick={() => setAll(true)}>
          and {troubles.length - shown.length} more pods
        </button>
      )}
    </div>
  );
}

function TroubledTargets({ data }: { data: Overview }) {
  const down = data.targets.filter((t) => t.health === 'down');
  if (down.length === 0) return null;
  return (
    <div className="notice error" role="status">
      {down.slice(0, 5).map((t) => (
        <p key={t.scrapeUrl}>
          <strong>{t.scrapeUrl}</strong> is down: {t.lastError}
        </p>
      ))}
      {down.length > 5 && (
        <p>
          and {down.length - 5} more, see <Link href="/targets?state=down">targets</Link>
        </p>
      )}
    </div>
  );
}

/** Short enough that a machine that was just started shows something. */
const overviewRange = { from: 'now-30m', to: 'now' };

export default function OverviewPage() {
  usePageDefaults(overviewRange, '10s');
  const range = useTimeRange(overviewRange);
  const url = useUrl();
  const { value: data, error } = useLoad((signal) => loadOverview(range, signal), [range]);
  const { value: alerts } = useLoad((signal) => loadFiring(signal), [range]);
  const opened = url.searchParams.get('pod');
  const open = (p: PodRow) => setParameters({ pod: `${p.namespace}/${p.name}` });
  const pod = data?.pods.find((p) => `${p.namespace}/${p.name}` === opened);
  return (
    <div className="page">
      <div className="page-head">
        <h1>Overview</h1>
      </div>
      {error && (
        <div className="notice error" role="alert">
          The overview could not be read: {error}
        </div>
      )}
      {alerts && <FiringAlerts alerts={alerts} />}
      {data && (
        <>
          <Summary data={data} alerts={alerts} />
          {opened && !pod && data.pods.length > 0 && (
            <div className="notice" role="status">
              The pod <strong>{opened}</strong> is not there any more: its metrics are still in <Link href={`/explore?q=${encodeURIComponent(`{pod="${opened.split('/').at(-1)}"}`)}`}>explore</Link>, its log is not.
            </div>
          )}
          <TroubledPods data={data} onOpen={open} />
          <TroubledTargets data={data} />
          {data.workloads.length > 0 && <Workloads workloads={data.workloads} />}
          {data.pods.length > 0 && <Pods pods={data.pods} onOpen={open} />}
          {data.pods.length === 0 && (
            <div className="notice">
              No Kubernetes metrics here: <code>tidewatch up</code> runs an application and shows its pods; <code>tidewatch serve</code> watches what{' '}
              <Link href="/targets">its configuration scrapes</Link>. Ask anything in <Link href="/explore">explore</Link>.
            </div>
          )}
        </>
      )}
      {pod && <PodDrawer pod={pod} range={range} onClose={() => setParameters({ pod: undefined, log: undefined })} />}
    </div>
  );
}
