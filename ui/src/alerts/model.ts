/**
 * Alerts as the page lists them: those of the rules, joined with what Alertmanager makes of them, and those that others sent to it. Input: both APIs'
 * answers, and the filters of the address. Output: rows in the order in which they want attention. Pure.
 */
import type { ManagedAlert } from '../api/alertmanager';
import type { Labels } from '../api/prometheus';
import type { ActiveAlert, AlertingRule, RuleGroup } from '../api/rules';

export interface RuleOfAlert {
  group: string;
  file: string;
  rule: AlertingRule;
}

/** `silenced` and `inhibited` ones fire, but nobody is told. */
export type RowState = 'firing' | 'pending' | 'silenced' | 'inhibited' | 'inactive';

export interface AlertRow {
  /** The same for the same labels, short enough for an address. */
  key: string;
  name: string;
  state: RowState;
  labels: Labels;
  annotations: Labels;
  /** RFC 3339. */
  since?: string;
  keepFiringSince?: string;
  value?: string;
  /** Not of alerts that others sent. */
  of?: RuleOfAlert;
  managed?: ManagedAlert;
}

const textOf = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/** FNV-1a over the labels, twice 32 bits. */
export function keyOf(labels: Labels): string {
  const text = textOf(labels);
  const hash = (seed: number) => {
    let h = seed;
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16_777_619);
    return (h >>> 0).toString(16).padStart(8, '0');
  };
  return hash(2_166_136_261) + hash(84_696_351);
}

/** Whether a label set has all of another: Alertmanager's alerts have external labels beside the rules'. */
const holds = (all: Labels, some: Labels): boolean => Object.entries(some).every(([name, value]) => all[name] === value);

/** Alertmanager's own of a rule's alerts: of those with all of its labels the one with the fewest others. */
class Managed {
  private readonly byName = new Map<string, ManagedAlert[]>();
  private readonly taken = new Set<ManagedAlert>();

  constructor(alerts: ManagedAlert[]) {
    for (const alert of alerts) {
      const name = alert.labels.alertname ?? '';
      const same = this.byName.get(name);
      if (same) same.push(alert);
      else this.byName.set(name, [alert]);
    }
  }

  take(labels: Labels): ManagedAlert | undefined {
    const size = (a: ManagedAlert) => Object.keys(a.labels).length;
    const fitting = (this.byName.get(labels.alertname ?? '') ?? []).filter((a) => !this.taken.has(a) && holds(a.labels, labels));
    const [best] = fitting.sort((a, b) => size(a) - size(b));
    if (best) this.taken.add(best);
    return best;
  }

  rest(): ManagedAlert[] {
    return [...this.byName.values()].flat().filter((a) => !this.taken.has(a));
  }
}

function stateOf(state: ActiveAlert['state'], managed: ManagedAlert | undefined): RowState {
  if (state !== 'firing' || managed?.status.state !== 'suppressed') return state;
  return managed.status.silencedBy.length > 0 || (managed.status.mutedBy ?? []).length > 0 ? 'silenced' : 'inhibited';
}

function rowsOf(group: RuleGroup, rule: AlertingRule, managed: Managed): AlertRow[] {
  const of = { group: group.name, file: group.file, rule };
  const alerts = rule.alerts ?? [];
  if (alerts.length === 0) {
    const labels = { alertname: rule.name, ...rule.labels };
    return [{ key: keyOf({ ...labels, '': `${group.file} ${group.name} ${rule.query}` }), name: rule.name, state: 'inactive', labels, annotations: rule.annotations ?? {}, of }];
  }
  return alerts.map((alert) => {
    const own = alert.state === 'firing' ? managed.take(alert.labels) : undefined;
    return {
      key: keyOf(alert.labels),
      name: alert.labels.alertname ?? rule.name,
      state: stateOf(alert.state, own),
      labels: alert.labels,
      annotations: alert.annotations,
      since: alert.activeAt,
      keepFiringSince: alert.keepFiringSince,
      value: alert.value,
      of,
      managed: own,
    };
  });
}

/** How many of the active alerts somebody should look at. */
export function countAttention(alerts: ActiveAlert[], sent: ManagedAlert[] | undefined): number {
  const managed = new Managed(sent ?? []);
  return alerts.filter((a) => a.state === 'firing' && a.labels.severity !== 'none' && stateOf('firing', managed.take(a.labels)) === 'firing').length;
}

const sentRow = (managed: ManagedAlert): AlertRow => ({
  key: keyOf(managed.labels),
  name: managed.labels.alertname ?? '(no name)',
  state: stateOf('firing', managed),
  labels: managed.labels,
  annotations: managed.annotations,
  since: managed.startsAt,
  managed,
});

const stateOrder: RowState[] = ['firing', 'pending', 'silenced', 'inhibited', 'inactive'];
/** Of the convention that most rules follow; what is none of these comes between `info` and `none`. */
const severityOrder = ['page', 'critical', 'error', 'warning', 'info', 'none'];

export const severityOf = ({ labels }: Pick<AlertRow, 'labels'>): string => labels.severity ?? '';

/** The lower, the sooner it wants attention. `none` is for alerts that prove that alerting works. */
export function severityRank(severity: string): number {
  const known = severityOrder.indexOf(severity);
  return known < 0 ? 4.5 : known;
}

/** Firing alerts of severity `none` always fire: they come after the pending ones. */
function rankOf(row: AlertRow): number {
  const state = stateOrder.indexOf(row.state);
  return state === 0 && severityOf(row) === 'none' ? 1.5 : state;
}

export function alertRows(groups: RuleGroup[], sent: ManagedAlert[] | undefined): AlertRow[] {
  const managed = new Managed(sent ?? []);
  const rows = groups.flatMap((group) => group.rules.flatMap((rule) => (rule.type === 'alerting' ? rowsOf(group, rule, managed) : [])));
  const age = (row: AlertRow) => (row.since ? -Date.parse(row.since) : 0);
  return [...rows, ...managed.rest().map(sentRow)].sort(
    (a, b) => rankOf(a) - rankOf(b) || severityRank(severityOf(a)) - severityRank(severityOf(b)) || age(a) - age(b) || a.name.localeCompare(b.name),
  );
}

/** Whether somebody should look: it fires, nobody silenced it, and it is there for something else than firing. */
export const wantsAttention = (row: AlertRow): boolean => row.state === 'firing' && severityOf(row) !== 'none';

export interface Condition {
  /** Undefined for a plain word. */
  label?: string;
  test: (value: string) => boolean;
}

function testOf(op: string, value: string): (actual: string) => boolean {
  if (op === '=') return (actual) => actual === value;
  if (op === '!=') return (actual) => actual !== value;
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^(?:${value})$`);
  } catch {
    // half of a pattern while it is typed
    return () => true;
  }
  return op === '=~' ? (actual) => pattern.test(actual) : (actual) => !pattern.test(actual);
}

/** `job=api severity!="none" disk`: matchers of labels, and words that occur anywhere. */
export function readSearch(text: string): Condition[] {
  return [...text.matchAll(/([a-zA-Z_]\w*)(=~|!~|!=|=)("(?:[^"\\]|\\.)*"?|\S*)|\S+/g)].map(([word, label, op, raw]) => {
    if (label === undefined) {
      const wanted = word.toLowerCase();
      return { test: (all) => all.toLowerCase().includes(wanted) };
    }
    const value = (raw ?? '').replace(/^"|"$/g, '').replace(/\\(["\\])/g, '$1');
    return { label, test: testOf(op as string, value) };
  });
}

export interface Filter {
  /** `all` is every alert that is active. */
  state: 'all' | RowState;
  severity: string;
  search: string;
}

export function filterRows(rows: AlertRow[], { state, severity, search }: Filter): AlertRow[] {
  const conditions = readSearch(search);
  return rows.filter((row) => {
    if (state === 'all' ? row.state === 'inactive' : row.state !== state && !(state === 'silenced' && row.state === 'inhibited')) return false;
    if (severity !== '' && severityOf(row) !== severity) return false;
    const all = () => [row.name, ...Object.entries(row.labels).map(([n, v]) => `${n}=${v}`), ...Object.values(row.annotations), row.of?.group ?? ''].join('\n');
    return conditions.every(({ label, test }) => test(label === undefined ? all() : (row.labels[label] ?? '')));
  });
}

/** With a matcher more, or without it where it was there. */
export function toggleMatcher(search: string, name: string, value: string): string {
  const matcher = `${name}=${/^[\w./:-]+$/.test(value) ? value : JSON.stringify(value)}`;
  const words = search.trim() === '' ? [] : search.trim().split(/ (?=(?:[^"]*"[^"]*")*[^"]*$)/);
  return (words.includes(matcher) ? words.filter((w) => w !== matcher) : [...words, matcher]).join(' ');
}
