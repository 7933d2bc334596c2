/** A runbook of the manifests, and the alerts of its name that are active now. Input: the alert's name; the page comes from `/user/<name>.md`, as Markdown. */
import { ApiError, getText } from '../api/http';
import { activeAlerts } from '../api/rules';
import { Link } from '../app/router';
import { usePageDefaults, useTick } from '../app/time';
import { useLoad } from '../app/useLoad';
import { AlertsHead } from '../alerts/AlertsHead';

async function readRunbook(name: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const [text, { renderText }] = await Promise.all([getText(`/user/${encodeURIComponent(name)}.md`, signal), import('../grafana/markdown')]);
    return renderText(text, 'markdown');
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

export default function RunbookPage({ uid }: { uid: string }) {
  usePageDefaults(undefined, '30s');
  const tick = useTick();
  const { value, error, loading } = useLoad(async (signal) => ({ html: await readRunbook(uid, signal) }), [uid]);
  const { value: alerts } = useLoad((signal) => activeAlerts(signal), [tick]);
  const active = (alerts ?? []).filter((a) => a.labels.alertname === uid);
  return (
    <div className="page alerts" aria-busy={loading}>
      <AlertsHead at="/alerts" title={`Runbook of ${uid}`}>
        {active.length > 0 ? (
          <Link className="state state-firing" href={`/alerts?q=${encodeURIComponent(`alertname=${uid}`)}`}>
            {active.length} active now
          </Link>
        ) : (
          alerts && <span className="muted">not active now</span>
        )}
      </AlertsHead>
      {error && (
        <div className="notice error" role="alert">
          The runbook could not be read: {error}
        </div>
      )}
      {value && value.html === undefined && (
        <div className="notice" role="status">
          There is no runbook <strong>{uid}</strong> here: pages come from ConfigMaps of the manifests whose keys end in <code>.md</code>.
        </div>
      )}
      {value?.html !== undefined && <article className="card runbook text-panel" dangerouslySetInnerHTML={{ __html: value.html }} />}
    </div>
  );
}
