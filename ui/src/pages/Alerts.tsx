/**
 * The alerts, those that want attention first: each opens to its text, the graph of its expression and its rule, and leads to its runbook, to where its cause can
 * be seen, and to a silence. Filters and the opened alert are in the address. Reads the rules and, where there is one, the Alertmanager.
 */
import { useEffect, useMemo, useState } from 'react';
import { managedAlerts } from '../api/alertmanager';
import { ruleGroups } from '../api/rules';
import { Icon } from '../app/icons';
import { Link, setParameters, useUrl } from '../app/router';
import { refreshNow, usePageDefaults, useTimeRange } from '../app/time';
import { useLazyParameter } from '../app/useLazyParameter';
import { useLoad } from '../app/useLoad';
import { AlertDetails } from '../alerts/AlertDetails';
import { AlertsHead, Segments, Unread } from '../alerts/AlertsHead';
import { LabelChips, Severity } from '../alerts/Labels';
import { causes, runbookPlace, type Place } from '../alerts/links';
import { alertRows, filterRows, severityOf, severityRank, toggleMatcher, type AlertRow, type Filter, type RowState } from '../alerts/model';
import { SilenceForm } from '../alerts/SilenceForm';
import { matchersOf, rememberedCreator } from '../alerts/silences';
import { sinceText, timeOf, valueText } from '../alerts/text';
import { formatAbsolute, type TimeRange } from '../time/range';

const alertsRange = { from: 'now-1h', to: 'now' };
/** More are drawn when they are asked for. */
const firstShown = 100;

const stateText: Record<RowState, string> = { firing: 'firing', pending: 'pending', silenced: 'silenced', inhibited: 'inhibited', inactive: 'inactive' };

function PlaceLink({ place }: { place: Place }) {
  if (!place.outside) return <Link href={place.href}>{place.label}</Link>;
  return (
    <a href={place.href} target="_blank" rel="noreferrer">
      {place.label}
    </a>
  );
}

/** Said in the row's head already, or the same for every alert of its rule. */
const headLabels = ['alertname', 'severity'];

interface RowProps {
  row: AlertRow;
  open: boolean;
  range: TimeRange;
  now: number;
  /** Whether alerts can be silenced here. */
  silenceable: boolean;
  onSilence: () => void;
  onPick: (name: string, value: string) => void;
}

function Row({ row, open, range, now, silenceable, onSilence, onPick }: RowProps) {
  const toggle = () => setParameters({ open: open ? undefined : row.key }, { replace: true });
  const runbook = runbookPlace(row.annotations.runbook_url, row.name);
  const said = row.annotations.summary ?? row.annotations.description ?? row.annotations.message ?? '';
  const since = timeOf(row.since);
  const active = row.state !== 'inactive';
  return (
    <li id={`alert-${row.key}`} className={`alert alert-${row.state}`} data-severity={severityOf(row)}>
      <div className="alert-head" onClick={(event) => !(event.target as HTMLElement).closest('a, button') && toggle()}>
        <span className={`state state-${row.state}`}>{stateText[row.state]}</span>
        <Severity value={severityOf(row)} />
        <div className="alert-title">
          <button type="button" className="alert-name" aria-expanded={open} onClick={toggle}>
            {row.name}
          </button>{' '}
          {active && <span className="alert-summary">{said}</span>}
          {!open && active && <LabelChips labels={row.labels} omit={headLabels} />}
          {!active && row.of && <code className="rule-query">{row.of.rule.query}</code>}
        </div>
        {active && (
          <>
            <span className="alert-value" title="Value of the expression">
              {valueText(row.value)}
            </span>
            <time className="alert-since" dateTime={row.since} title={since === undefined ? undefined : `since ${formatAbsolute(since)}`}>
              {sinceText(row.since, now)}
            </time>
          </>
        )}
        <span className="alert-actions">
          {active && causes(row).map((place) => <PlaceLink key={place.label} place={place} />)}
          {runbook && <PlaceLink place={runbook} />}
          {silenceable && active && row.state !== 'silenced' && (
            <button type="button" className="text-button" onClick={onSilence} aria-label={`Silence ${row.name}`}>
              Silence
            </button>
          )}
        </span>
      </div>
      {open && <AlertDetails row={row} range={range} now={now} onPick={onPick} />}
    </li>
  );
}

function Empty({ rows, filter, rules }: { rows: AlertRow[]; filter: Filter; rules: number }) {
  if (rules === 0 && rows.length === 0) {
    return (
      <div className="notice" role="status">
        No alerting rules here: <code>tidewatch up</code> evaluates the PrometheusRules of its manifests, <code>tidewatch serve</code> the <code>rule_files</code> of its configuration.
      </div>
    );
  }
  const filtered = filter.search !== '' || filter.severity !== '' || !['all', 'firing'].includes(filter.state);
  return (
    <p className="empty all-clear">
      {!filtered && <span aria-hidden="true">✓</span>} {filtered ? 'No alert matches.' : `Nothing ${filter.state === 'firing' ? 'fires' : 'is active'}. ${rules} ${rules === 1 ? 'rule is' : 'rules are'} watching.`}
    </p>
  );
}

function useFilter(): [Filter, (search: string) => void] {
  const { searchParams } = useUrl();
  const [search, setSearch] = useLazyParameter('q');
  const state = (searchParams.get('state') ?? 'all') as Filter['state'];
  return [{ state, severity: searchParams.get('severity') ?? '', search: search ?? '' }, (text) => setSearch(text || null)];
}

export default function AlertsPage() {
  usePageDefaults(alertsRange, '10s');
  const range = useTimeRange(alertsRange);
  const { searchParams } = useUrl();
  const [filter, setSearch] = useFilter();
  const [limit, setLimit] = useState(firstShown);
  const [silencing, setSilencing] = useState<AlertRow>();
  const { value, error } = useLoad(async (signal) => {
    const unread = (problem: unknown) => ({ problem: String(problem instanceof Error ? problem.message : problem) });
    const [groups, managed] = await Promise.all([ruleGroups('alert', signal), managedAlerts([], signal).catch(unread)]);
    const sent = Array.isArray(managed) ? managed : undefined;
    return { rows: alertRows(groups, sent), rules: groups.reduce((n, g) => n + g.rules.length, 0), managed: sent !== undefined, problem: managed && 'problem' in managed ? managed.problem : undefined, at: Date.now() };
  }, [range]);
  const rows = value?.rows ?? [];
  const shown = useMemo(() => filterRows(rows, filter), [rows, filter.state, filter.severity, filter.search]);
  const opened = searchParams.get('open');
  const now = value?.at ?? Date.now();
  useEffect(() => {
    if (opened && value) document.getElementById(`alert-${opened}`)?.scrollIntoView({ block: 'nearest' });
  }, [value !== undefined]);
  const count = (state: Filter['state']) => filterRows(rows, { ...filter, state }).length;
  const severities = [...new Set(rows.map(severityOf).filter(Boolean))].sort((a, b) => severityRank(a) - severityRank(b));
  const states: { value: Filter['state']; text: string }[] = [
    { value: 'all', text: 'Active' },
    { value: 'firing', text: 'Firing' },
    { value: 'pending', text: 'Pending' },
    { value: 'silenced', text: 'Silenced' },
    { value: 'inactive', text: 'Inactive' },
  ];
  const gone = opened !== null && value !== undefined && !rows.some((row) => row.key === opened);
  // an opened one is shown whatever the filter says: the address leads to it
  const first = opened !== null && !shown.some((row) => row.key === opened) ? rows.filter((row) => row.key === opened) : [];
  return (
    <div className="page alerts" aria-busy={!value && !error}>
      <AlertsHead at="/alerts" title="Alerts">
        <Segments label="Filter by state" choices={states.map((s) => ({ ...s, count: value ? count(s.value) : undefined }))} chosen={filter.state} onChoose={(state) => setParameters({ state: state === 'all' ? undefined : state }, { replace: true })} />
        {severities.length > 1 && (
          <select aria-label="Severity" value={filter.severity} onChange={(event) => setParameters({ severity: event.target.value || undefined }, { replace: true })}>
            <option value="">Every severity</option>
            {severities.map((severity) => (
              <option key={severity}>{severity}</option>
            ))}
          </select>
        )}
        <input type="search" placeholder="Words, or job=api" aria-label="Filter alerts" value={filter.search} onChange={(event) => setSearch(event.target.value)} />
      </AlertsHead>
      <Unread what="The alerts" error={error} />
      <Unread what="What the Alertmanager makes of them" error={value?.problem} />
      {gone && (
        <div className="notice" role="status">
          The alert of this address is over: see the <Link href="/alerts/notifications">notifications</Link>, or <code>ALERTS</code> in <Link href="/explore?q=ALERTS">explore</Link>.
        </div>
      )}
      {value && shown.length + first.length === 0 && <Empty rows={rows} filter={filter} rules={value.rules} />}
      {value && (
        <ul className="alert-list">
          {[...first, ...shown.slice(0, limit)].map((row) => (
            <Row
              key={row.key}
              row={row}
              open={row.key === opened}
              range={range}
              now={now}
              silenceable={value.managed}
              onSilence={() => setSilencing(row)}
              onPick={(name, label) => setSearch(toggleMatcher(filter.search, name, label))}
            />
          ))}
        </ul>
      )}
      {shown.length > limit && (
        <button type="button" className="button" onClick={() => setLimit(limit * 5)}>
          Show more of {shown.length} <Icon name="chevron" size={13} />
        </button>
      )}
      {silencing && (
        <SilenceForm
          draft={{ matchers: matchersOf(silencing.managed?.labels ?? silencing.labels), starts: '', ends: '2h', createdBy: rememberedCreator(), comment: '' }}
          onClose={() => setSilencing(undefined)}
          onDone={() => {
            setSilencing(undefined);
            refreshNow();
          }}
        />
      )}
    </div>
  );
}
