/** What was sent to whom, and what could not be: the newest first. Reads tidewatch's own history of notifications. */
import { useState } from 'react';
import { notificationHistory, type NotificationRecord } from '../api/alertmanager';
import { Link, setParameters, useUrl } from '../app/router';
import { usePageDefaults, useTick } from '../app/time';
import { useLazyParameter } from '../app/useLazyParameter';
import { useLoad } from '../app/useLoad';
import { AlertsHead, NoManager, Segments, Unread } from '../alerts/AlertsHead';
import { LabelChips } from '../alerts/Labels';
import { agoText, secondsText, timeOf } from '../alerts/text';
import { formatAbsolute } from '../time/range';

const limit = 500;
const outcomes = ['all', 'delivered', 'retrying', 'failed'] as const;
const outcomeState = { delivered: 'up', retrying: 'pending', failed: 'firing' };

const matches = (record: NotificationRecord, words: string[]): boolean => {
  const labels = [record.groupLabels, ...record.alerts.map((a) => a.labels)].map((l) => Object.entries(l).flat().join('='));
  const text = `${record.receiver} ${record.integration} ${record.outcome} ${record.error ?? ''} ${labels.join(' ')}`.toLowerCase();
  return words.every((word) => text.includes(word));
};

function Names({ record }: { record: NotificationRecord }) {
  const of = (status: 'firing' | 'resolved') => record.alerts.filter((a) => a.status === status);
  const parts = (['firing', 'resolved'] as const).map((status) => ({ status, alerts: of(status) })).filter(({ alerts }) => alerts.length > 0);
  return (
    <span className="notified">
      {parts.map(({ status, alerts }) => (
        <span key={status} className={`state state-${status === 'firing' ? 'firing' : 'up'}`}>
          {alerts.length} {status}
        </span>
      ))}{' '}
      <span className="strong">{[...new Set(record.alerts.map((a) => a.labels.alertname ?? ''))].join(', ')}</span>
    </span>
  );
}

function Row({ record, now }: { record: NotificationRecord; now: number }) {
  const [open, setOpen] = useState(false);
  const ms = timeOf(record.time);
  return (
    <>
      <tr className="clickable" onClick={() => setOpen(!open)}>
        <td className="nowrap" title={ms === undefined ? undefined : formatAbsolute(ms)}>
          <button type="button" className="row-button" aria-expanded={open} onClick={(event) => { event.stopPropagation(); setOpen(!open); }}>
            {agoText(record.time, now)}
          </button>
        </td>
        <td>
          <span className={`state state-${outcomeState[record.outcome]}`}>{record.outcome}</span>
        </td>
        <td>
          <Names record={record} />
          {record.error && <p className="target-error">{record.error}</p>}
        </td>
        <td>
          <span className="strong">{record.receiver}</span> <span className="muted">{record.integration}</span>
        </td>
        <td>
          <LabelChips labels={record.groupLabels} />
        </td>
        <td className={record.attempts > 1 ? 'number warn' : 'number'}>{record.attempts}</td>
        <td className="number">{secondsText(record.durationMs / 1000)}</td>
      </tr>
      {open && (
        <tr>
          <td colSpan={7}>
            <ul className="silence-preview">
              {record.alerts.map((alert, i) => (
                <li key={i}>
                  <span className={`state state-${alert.status === 'firing' ? 'firing' : 'up'}`}>{alert.status}</span>{' '}
                  <Link className="strong" href={`/alerts?q=${encodeURIComponent(`alertname=${alert.labels.alertname ?? ''}`)}`}>
                    {alert.labels.alertname}
                  </Link>{' '}
                  <LabelChips labels={alert.labels} omit={['alertname']} />
                </li>
              ))}
            </ul>
          </td>
        </tr>
      )}
    </>
  );
}

export default function NotificationsPage() {
  usePageDefaults(undefined, '10s');
  const tick = useTick();
  const { searchParams } = useUrl();
  const [search, setSearch] = useLazyParameter('q');
  const { value, error } = useLoad(async (signal) => ({ records: await notificationHistory(limit, signal), at: Date.now() }), [tick]);
  const outcome = (searchParams.get('outcome') ?? 'all') as (typeof outcomes)[number];
  const words = (search ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const found = (value?.records ?? []).filter((r) => matches(r, words));
  const shown = found.filter((r) => outcome === 'all' || r.outcome === outcome);
  const headings = ['Sent', 'Outcome', 'Alerts', 'Receiver', 'Group'];
  return (
    <div className="page alerts" aria-busy={!value && !error}>
      <AlertsHead at="/alerts/notifications" title="Notifications">
        <Segments label="Filter by outcome" choices={outcomes.map((o) => ({ value: o, text: o, count: value?.records && found.filter((r) => o === 'all' || r.outcome === o).length }))} chosen={outcome} onChoose={(o) => setParameters({ outcome: o === 'all' ? undefined : o }, { replace: true })} />
        <input type="search" placeholder="Filter by alert, label, receiver or error" aria-label="Filter notifications" value={search ?? ''} onChange={(event) => setSearch(event.target.value || null)} />
      </AlertsHead>
      <Unread what="The notifications" error={error} />
      {value && value.records === undefined && <NoManager what="notifications" />}
      {value?.records && shown.length === 0 && <p className="empty">{value.records.length === 0 ? 'Nobody has been told of anything yet.' : 'No notification matches.'}</p>}
      {shown.length > 0 && (
        <section className="card">
          <div className="scroll-x">
            <table className="data-table notifications-table">
              <thead>
                <tr>
                  {headings.map((heading) => (
                    <th key={heading}>{heading}</th>
                  ))}
                  <th className="number">Attempts</th>
                  <th className="number">Took</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((record, i) => (
                  <Row key={`${record.time} ${record.receiver} ${record.integration} ${record.groupKey} ${i}`} record={record} now={value?.at ?? Date.now()} />
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </div>
  );
}
