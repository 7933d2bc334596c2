/** The alerts as the Alertmanager holds them: by receiver, in the groups of which each makes one notification, with what silences and inhibits them. */
import { alertGroups, managerStatus, receivers, type AlertGroup, type ManagedAlert } from '../api/alertmanager';
import { Link, setParameters, useUrl } from '../app/router';
import { usePageDefaults, useTick } from '../app/time';
import { useLoad } from '../app/useLoad';
import { AlertsHead, NoManager, Unread } from '../alerts/AlertsHead';
import { LabelChips, Severity } from '../alerts/Labels';
import { sinceText } from '../alerts/text';

/** More alerts of one group are not drawn. */
const mostShown = 50;

function Why({ alert, all }: { alert: ManagedAlert; all: Map<string, ManagedAlert> }) {
  const { silencedBy, inhibitedBy, mutedBy } = alert.status;
  return (
    <>
      {silencedBy.map((id) => (
        <span key={id}>
          silenced by <Link href={`/alerts/silences?open=${encodeURIComponent(id)}`}>{id.slice(0, 8)}</Link>{' '}
        </span>
      ))}
      {inhibitedBy.map((id) => (
        <span key={id}>inhibited by {all.get(id)?.labels.alertname ?? id} </span>
      ))}
      {(mutedBy ?? []).length > 0 && <span>muted by {(mutedBy ?? []).join(', ')}</span>}
    </>
  );
}

function Group({ group, all, now }: { group: AlertGroup; all: Map<string, ManagedAlert>; now: number }) {
  const common = Object.keys(group.labels);
  return (
    <section className="card">
      <div className="card-head">
        <h2>{group.receiver.name}</h2>
        {common.length > 0 ? <LabelChips labels={group.labels} /> : <span className="muted">all together</span>}
        <span className="count end">{group.alerts.length === 1 ? '1 alert' : `${group.alerts.length} alerts`}</span>
      </div>
      <div className="scroll-x">
        <table className="data-table">
          <tbody>
            {group.alerts.slice(0, mostShown).map((alert) => (
              <tr key={alert.fingerprint}>
                <td className="group-state">
                  <span className={`state state-${alert.status.state === 'suppressed' ? 'silenced' : alert.status.state === 'active' ? 'firing' : 'inactive'}`}>{alert.status.state}</span>
                </td>
                <td className="group-severity">
                  <Severity value={alert.labels.severity ?? ''} />
                </td>
                <td>
                  <Link className="strong" href={`/alerts?q=${encodeURIComponent(`alertname=${alert.labels.alertname ?? ''}`)}`}>
                    {alert.labels.alertname}
                  </Link>{' '}
                  <span className="muted">{alert.annotations.summary}</span>
                  <LabelChips labels={alert.labels} omit={['alertname', 'severity', ...common]} />
                </td>
                <td className="muted">
                  <Why alert={alert} all={all} />
                </td>
                <td className="number">{sinceText(alert.startsAt, now)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {group.alerts.length > mostShown && <p className="empty">and {group.alerts.length - mostShown} more</p>}
    </section>
  );
}

function Manager() {
  const { value: status, error } = useLoad((signal) => managerStatus(signal), []);
  if (error) return <Unread what="The Alertmanager's status" error={error} />;
  if (!status) return null;
  return (
    <details className="card manager-status">
      <summary>
        Alertmanager {status.versionInfo?.version} {status.uptime && <span className="muted">up since {new Date(status.uptime).toLocaleString()}</span>}
      </summary>
      <pre className="log-like">{status.config?.original}</pre>
    </details>
  );
}

export default function AlertGroupsPage() {
  usePageDefaults(undefined, '10s');
  const tick = useTick();
  const chosen = useUrl().searchParams.get('receiver') ?? '';
  const { value, error } = useLoad(async (signal) => {
    const [groups, names] = await Promise.all([alertGroups(signal), receivers(signal)]);
    return { groups, names: (names ?? []).map((r) => r.name), at: Date.now() };
  }, [tick]);
  const groups = (value?.groups ?? []).filter((g) => chosen === '' || g.receiver.name === chosen);
  const all = new Map((value?.groups ?? []).flatMap((g) => g.alerts.map((a) => [a.fingerprint, a])));
  return (
    <div className="page alerts" aria-busy={!value && !error}>
      <AlertsHead at="/alerts/groups" title="Groups">
        <span className="muted">Each is one notification.</span>
        {(value?.names.length ?? 0) > 0 && (
          <select aria-label="Receiver" value={chosen} onChange={(event) => setParameters({ receiver: event.target.value || undefined }, { replace: true })}>
            <option value="">Every receiver</option>
            {value?.names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </AlertsHead>
      <Unread what="The groups" error={error} />
      {value && value.groups === undefined && <NoManager what="groups" />}
      {value?.groups && groups.length === 0 && <p className="empty">No alert is in the Alertmanager{chosen && ` for ${chosen}`}.</p>}
      {groups.map((group) => (
        <Group key={`${group.receiver.name} ${JSON.stringify(group.labels)}`} group={group} all={all} now={value?.at ?? Date.now()} />
      ))}
      {value?.groups && <Manager />}
    </div>
  );
}
