/** The autoscalers, each with what it measures, what it decided and why. `workload=namespace/name` shows one alone. See scaling/ for the parts of a card. */
import { searchDashboards } from '../api/grafana';
import { listAutoscalers } from '../api/scaling';
import { Link, setParameters, useUrl } from '../app/router';
import { usePageDefaults, useTimeRange } from '../app/time';
import { useLoad } from '../app/useLoad';
import { AutoscalerCard, workloadKey } from '../scaling/AutoscalerCard';
import '../styles/scaling.css';

const scalingRange = { from: 'now-30m', to: 'now' };

/** The dashboard that shows workloads: the one tagged so, else the first. */
async function workloadDashboard(signal: AbortSignal): Promise<string | undefined> {
  const hits = await searchDashboards(signal);
  return (hits.find((hit) => hit.tags?.includes('kubernetes')) ?? hits[0])?.uid;
}

export default function ScalingPage() {
  usePageDefaults(scalingRange, '5s');
  const range = useTimeRange(scalingRange);
  const { searchParams } = useUrl();
  const only = searchParams.get('workload');
  const changes = searchParams.get('decisions') === 'changes';
  const { value, error, loading } = useLoad(async (signal) => ({ autoscalers: await listAutoscalers(signal) }), [range]);
  const { value: dashboard } = useLoad(workloadDashboard, []);
  const all = value?.autoscalers ?? [];
  const shown = only ? all.filter((a) => workloadKey(a) === only) : all;
  return (
    <div className="page scaling" aria-busy={loading && !value}>
      <div className="page-head">
        <h1>Scaling</h1>
        {only && (
          <button type="button" className="button" onClick={() => setParameters({ workload: undefined })}>
            {only} × <span className="muted">show all</span>
          </button>
        )}
        <Link href="/scaling/simulate" className="head-link">
          Simulate
        </Link>
        <label className="check">
          <input type="checkbox" checked={changes} onChange={() => setParameters({ decisions: changes ? undefined : 'changes' }, { replace: true })} />
          Only changes
        </label>
      </div>
      {error && (
        <div className="notice error" role="alert">
          The autoscalers could not be read: {error}
        </div>
      )}
      {value && all.length === 0 && (
        <div className="notice" role="status">
          Nothing is autoscaled here: <code>tidewatch up</code> scales Deployments by the HorizontalPodAutoscalers and ScaledObjects of its manifests. Any manifest can be tried in the{' '}
          <Link href="/scaling/simulate">simulator</Link>.
        </div>
      )}
      {only && all.length > 0 && shown.length === 0 && (
        <div className="notice" role="status">
          No autoscaler scales <strong>{only}</strong>.
        </div>
      )}
      {shown.map((autoscaler) => (
        <AutoscalerCard key={`${autoscaler.namespace}/${autoscaler.name}`} autoscaler={autoscaler} range={range} dashboard={dashboard} />
      ))}
    </div>
  );
}
