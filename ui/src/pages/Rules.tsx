/** The rule groups: how often each is evaluated and how long that takes, how each rule is doing, and what it asks. Reads the rules API and the groups' own series. */
import { useMemo, useState } from 'react';
import { queryInstant, type Sample } from '../api/prometheus';
import { ruleGroups, type Rule, type RuleGroup } from '../api/rules';
import { Link, setParameters, useUrl } from '../app/router';
import { usePageDefaults, useTick } from '../app/time';
import { useLazyParameter } from '../app/useLazyParameter';
import { useLoad } from '../app/useLoad';
import { AlertsHead, Segments, Unread } from '../alerts/AlertsHead';
import { LabelChips } from '../alerts/Labels';
import { exploreHref } from '../alerts/links';
import { agoText, secondsText } from '../alerts/text';
import { elapsedText } from '../charts/ticks';

/** More rules of a group are drawn when they are asked for. */
const firstShown = 50;
/** More groups than these are closed at first. */
const openGroups = 12;

const kinds = ['all', 'alerting', 'recording', 'failing'] as const;
type Kind = (typeof kinds)[number];

const isKind = (rule: Rule, kind: Kind): boolean => kind === 'all' || (kind === 'failing' ? rule.health === 'err' : rule.type === kind);

const matches = (rule: Rule, group: RuleGroup, words: string[]): boolean => {
  const text = `${rule.name} ${group.name} ${group.file} ${rule.query} ${Object.entries(rule.labels ?? {}).flat().join(' ')} ${rule.lastError ?? ''}`.toLowerCase();
  return words.every((word) => text.includes(word));
};

function Health({ rule }: { rule: Rule }) {
  if (rule.health === 'err') return <span className="state state-down">failing</span>;
  if (rule.health === 'unknown') return <span className="state">not yet</span>;
  if (rule.type === 'recording') return <span className="state state-up">ok</span>;
  return <span className={`state state-${rule.state === 'inactive' ? 'up' : rule.state}`}>{rule.state === 'inactive' ? 'ok' : rule.state}</span>;
}

function RuleRow({ rule, now }: { rule: Rule; now: number }) {
  const alerting = rule.type === 'alerting' ? rule : undefined;
  const active = alerting?.alerts?.length ?? 0;
  return (
    <tr>
      <td>
        <Health rule={rule} />
      </td>
      <td>
        <span className="strong rule-name">{alerting ? <Link href={`/alerts?q=${encodeURIComponent(`alertname=${rule.name}`)}${active > 0 ? '' : '&state=inactive'}`}>{rule.name}</Link> : <Link href={exploreHref(rule.name)}>{rule.name}</Link>}</span>
        <p className="muted">
          {alerting ? 'alert' : 'recording'}
          {alerting && alerting.duration > 0 && ` for ${elapsedText(alerting.duration * 1000)}`}
          {alerting?.keepFiringFor ? `, kept ${elapsedText(alerting.keepFiringFor * 1000)}` : ''}
          {active > 0 && `, ${active} active`}
        </p>
      </td>
      <td>
        <Link href={exploreHref(rule.query)} title="Open in explore" className="rule-expression">
          <code>{rule.query}</code>
        </Link>
        <LabelChips labels={rule.labels ?? {}} />
        {rule.lastError && <p className="target-error">{rule.lastError}</p>}
      </td>
      <td className="number">{agoText(rule.lastEvaluation, now)}</td>
      <td className="number">{secondsText(rule.evaluationTime)}</td>
    </tr>
  );
}

interface GroupProps {
  group: RuleGroup;
  rules: Rule[];
  open: boolean;
  now: number;
  samples?: number;
  missed?: number;
}

function Group({ group, rules, open, now, samples, missed = 0 }: GroupProps) {
  const [limit, setLimit] = useState(firstShown);
  const share = group.interval > 0 ? group.evaluationTime / group.interval : 0;
  const failing = rules.filter((r) => r.health === 'err').length;
  return (
    <details className="card rule-group" open={open}>
      <summary>
        <span className="rule-group-name">{group.name}</span>
        <span className="muted rule-file">{group.file}</span>
        {failing > 0 && <span className="count bad">{failing} failing</span>}
        {missed >= 1 && <span className="count bad" title="Evaluations left out because the one before was still under way, in the last hour">{Math.round(missed)} missed</span>}
        <span className="rule-group-facts">
          <span>{group.rules.length === 1 ? '1 rule' : `${group.rules.length} rules`}</span>
          <span>every {elapsedText(group.interval * 1000)}</span>
          {group.limit ? <span>limit {group.limit}</span> : null}
          {samples !== undefined && <span>{samples} samples</span>}
          <span>{agoText(group.lastEvaluation, now)}</span>
          <span className="rule-time" title={`${(100 * share).toPrecision(2)} % of the interval`}>
            <span className="bar-track">
              <span className={`bar-fill meter-fill ${share > 0.9 ? 'bad' : share > 0.5 ? 'warn' : ''}`} style={{ width: `${Math.max(2, Math.min(100, 100 * share))}%` }} />
            </span>
            {secondsText(group.evaluationTime)}
          </span>
        </span>
      </summary>
      <div className="scroll-x">
        <table className="data-table rules-table">
          <thead>
            <tr>
              <th>State</th>
              <th>Rule</th>
              <th>Expression</th>
              <th className="number">Evaluated</th>
              <th className="number">Took</th>
            </tr>
          </thead>
          <tbody>
            {rules.slice(0, limit).map((rule, i) => (
              <RuleRow key={`${rule.name} ${i}`} rule={rule} now={now} />
            ))}
          </tbody>
        </table>
      </div>
      {rules.length > limit && (
        <button type="button" className="text-button" onClick={() => setLimit(limit * 4)}>
          Show more of {rules.length}
        </button>
      )}
    </details>
  );
}

/** By file and group, as the series are labelled. */
const bySamples = (samples: Sample[]): Map<string, number> => new Map(samples.map((s) => [s.labels.rule_group ?? '', s.value]));

export default function RulesPage() {
  usePageDefaults(undefined, '10s');
  const tick = useTick();
  const { searchParams } = useUrl();
  const [search, setSearch] = useLazyParameter('q');
  const kind = (searchParams.get('kind') ?? 'all') as Kind;
  const { value, error } = useLoad(async (signal) => {
    const none = { samples: [] };
    const [groups, samples, missed] = await Promise.all([
      ruleGroups(undefined, signal),
      queryInstant('prometheus_rule_group_last_evaluation_samples', undefined, signal).catch(() => none),
      queryInstant('increase(prometheus_rule_group_iterations_missed_total[1h]) > 0', undefined, signal).catch(() => none),
    ]);
    return { groups, samples: bySamples(samples.samples), missed: bySamples(missed.samples), at: Date.now() };
  }, [tick]);
  const words = (search ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const essence = words.join(' ');
  const found = useMemo(() => (value?.groups ?? []).map((group) => ({ group, rules: group.rules.filter((rule) => matches(rule, group, words)) })), [value, essence]);
  const groups = found.map(({ group, rules }) => ({ group, rules: rules.filter((r) => isKind(r, kind)) })).filter(({ rules }) => rules.length > 0);
  const count = (k: Kind) => found.reduce((n, { rules }) => n + rules.filter((r) => isKind(r, k)).length, 0);
  return (
    <div className="page alerts" aria-busy={!value && !error}>
      <AlertsHead at="/alerts/rules" title="Rules">
        <Segments label="Filter by kind" choices={kinds.map((k) => ({ value: k, text: k, count: value && count(k) }))} chosen={kind} onChoose={(k) => setParameters({ kind: k === 'all' ? undefined : k }, { replace: true })} />
        <input type="search" placeholder="Filter by name, expression or error" aria-label="Filter rules" value={search ?? ''} onChange={(event) => setSearch(event.target.value || null)} />
      </AlertsHead>
      <Unread what="The rules" error={error} />
      {value && groups.length === 0 && <p className="empty">{value.groups.length === 0 ? 'There are no rules here.' : 'No rule matches.'}</p>}
      {groups.map(({ group, rules }) => (
        <Group
          key={`${group.file} ${group.name}`}
          group={group}
          rules={rules}
          open={groups.length <= openGroups || words.length > 0 || kind === 'failing'}
          now={value?.at ?? Date.now()}
          samples={value?.samples.get(`${group.file};${group.name}`)}
          missed={value?.missed.get(`${group.file};${group.name}`)}
        />
      ))}
    </div>
  );
}
