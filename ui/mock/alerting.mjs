// Made-up states of the product's own rules, and an Alertmanager that keeps silences in memory. MOCK_NO_ALERTS shows the pages without rules and without an
// Alertmanager, MOCK_QUIET those where nothing but Watchdog fires.
import { readdirSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { catalog, namespace } from './metrics.mjs';

const folder = new URL('../../kubernetes/monitoring/', import.meta.url).pathname;
const runbooks = new URL('../../docs/runbooks/', import.meta.url).pathname;
export const has = !process.env.MOCK_NO_ALERTS;
const quiet = Boolean(process.env.MOCK_QUIET);
const began = Date.now();
const ago = (seconds) => new Date(began - seconds * 1000).toISOString();
const recently = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

const objects = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .flatMap((name) => parseAllDocuments(readFileSync(folder + name, 'utf8')).map((d) => d.toJS()))
  .filter((o) => o?.kind === 'PrometheusRule');

/** Alerts by the name of their rule: labels, value, age in seconds. */
const active = quiet
  ? { Watchdog: [[{}, 'firing', '1e+00', 4000]] }
  : {
      HighErrorRate: [[{ namespace, job: 'todo-backend' }, 'firing', '8.312e-02', 1260]],
      HPAAtMaximum: [[{ namespace, horizontalpodautoscaler: 'todo-backend-hpa', deployment: 'todo-backend' }, 'firing', '1e+00', 2500]],
      PodMemoryUsageHigh: [[{ namespace, pod: 'event-service-6f7b9d-abcde', container: 'event-service' }, 'pending', '8.7e-01', 130]],
      TargetDown: [[{ namespace, job: 'todo-frontend', instance: '127.10.2.1:9464' }, 'firing', '0e+00', 5400], [{ job: 'node-exporter', instance: '127.0.0.1:9100' }, 'firing', '0e+00', 5300]],
      HighAPILatency: [[{ namespace, job: 'todo-backend' }, 'pending', '1.62e+00', 60]],
      ErrorBudgetBurnFast: [[{ namespace, service: 'todo-backend', slo: 'backend-availability' }, 'firing', '1.7e+01', 700]],
      Watchdog: [[{}, 'firing', '1e+00', 9000]],
    };

const filled = (text, labels, value) =>
  String(text ?? '')
    .replace(/\{\{\s*\$labels\.(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '')
    .replace(/\{\{\s*\$externalURL\s*\}\}/g, 'http://127.0.0.1:9090')
    .replace(/\{\{\s*\$value[^}]*\}\}/g, Number(Number(value).toPrecision(3)));
const filledAll = (annotations, labels, value) => Object.fromEntries(Object.entries(annotations ?? {}).map(([k, v]) => [k, filled(v, labels, value)]));
const seconds = (text) => (text ? Number(/^(\d+)/.exec(text)[1]) * { s: 1, m: 60, h: 3600, d: 86400 }[/[smhd]/.exec(text)[0]] : 0);

function ruleOf(rule, i) {
  const evaluated = { health: 'ok', evaluationTime: 0.0004 + 0.0003 * (i % 7), lastEvaluation: recently(4 + (i % 5)) };
  if (rule.record) return { name: rule.record, query: rule.expr.trim(), labels: rule.labels ?? {}, ...evaluated, type: 'recording' };
  const alerts = (active[rule.alert] ?? []).filter(([labels]) => !labels.slo || rule.labels?.slo === undefined || rule.labels.slo === labels.slo);
  const own = alerts.map(([own, state, value, age]) => {
    const labels = { alertname: rule.alert, ...own, ...rule.labels };
    return { labels, annotations: filledAll(rule.annotations, labels, value), state, activeAt: ago(age), value };
  });
  const state = own.some((a) => a.state === 'firing') ? 'firing' : own.length ? 'pending' : 'inactive';
  const broken = rule.alert === 'CertificateExpiring' && !quiet ? { health: 'err', lastError: 'found duplicate series for the match group {instance="127.0.0.1:9090"} on the right hand-side of the operation;many-to-many matching not allowed: matching labels must be unique on one side' } : {};
  return { state, name: rule.alert, query: rule.expr.trim(), duration: seconds(rule.for), keepFiringFor: seconds(rule.keep_firing_for), labels: rule.labels ?? {}, annotations: rule.annotations ?? {}, alerts: own, ...evaluated, ...broken, type: 'alerting' };
}

export function groups(type) {
  if (!has) return [];
  return objects.flatMap((o) =>
    o.spec.groups.map((group) => {
      const rules = group.rules.map(ruleOf).filter((r) => !type || (type === 'alert') === (r.type === 'alerting'));
      return { name: group.name, file: `PrometheusRule/${o.metadata.namespace}/${o.metadata.name}`, rules, interval: seconds(group.interval) || 30, limit: 0, evaluationTime: rules.reduce((n, r) => n + r.evaluationTime, 0), lastEvaluation: recently(6) };
    }),
  );
}

export const alerts = () => groups('alert').flatMap((g) => g.rules.flatMap((r) => r.alerts));

const silences = new Map();
const addSilence = (silence) => {
  const id = silence.id && silences.has(silence.id) ? silence.id : crypto.randomUUID();
  silences.set(id, { ...silence, id, updatedAt: new Date().toISOString() });
  return id;
};
const later = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
const is = (name, value, isRegex = false) => ({ name, value, isRegex, isEqual: true });
addSilence({ matchers: [is('alertname', 'TargetDown'), is('job', 'node-.*', true)], startsAt: recently(4000), endsAt: later(6000), createdBy: 'ana', comment: 'The machine gets a new disk' });
addSilence({ matchers: [is('namespace', namespace)], startsAt: later(40000), endsAt: later(47200), createdBy: 'release', comment: 'Maintenance window tonight' });
addSilence({ matchers: [is('alertname', 'HighAPILatency')], startsAt: recently(90000), endsAt: recently(80000), createdBy: 'ana', comment: 'Known slow query, fix is deployed' });

const matchesOne = ({ name, value, isRegex, isEqual = true }, labels) => {
  const actual = labels[name] ?? '';
  return (isRegex ? new RegExp(`^(?:${value})$`).test(actual) : actual === value) === isEqual;
};
const stateOf = (s) => (Date.parse(s.endsAt) <= Date.now() ? 'expired' : Date.parse(s.startsAt) > Date.now() ? 'pending' : 'active');
const silencing = (labels) => [...silences.values()].filter((s) => stateOf(s) === 'active' && s.matchers.every((m) => matchesOne(m, labels))).map((s) => s.id);

const readMatcher = (text) => {
  const [, name, op, value] = /^\s*([\w.]+)\s*(=~|!~|!=|=)\s*(.*)$/.exec(text) ?? [];
  if (!name) return undefined;
  return { name, value: value.startsWith('"') ? JSON.parse(value) : value, isRegex: op.endsWith('~'), isEqual: !op.startsWith('!') };
};

export function managed(filter = []) {
  const matchers = filter.map(readMatcher);
  const fingerprint = (labels) => [...JSON.stringify(labels)].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) >>> 0, 7).toString(16).padStart(16, '0');
  return alerts()
    .filter((a) => a.state === 'firing')
    .map(({ labels, annotations, activeAt }) => {
      const silencedBy = silencing(labels);
      const inhibitedBy = labels.alertname === 'HPAAtMaximum' ? [fingerprint({ alertname: 'HighErrorRate', namespace, job: 'todo-backend', severity: 'critical' })] : [];
      return { labels, annotations, startsAt: activeAt, endsAt: later(240), updatedAt: recently(10), fingerprint: fingerprint(labels), generatorURL: 'http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1', receivers: [{ name: labels.severity === 'critical' ? 'pager' : 'team' }], status: { state: silencedBy.length + inhibitedBy.length ? 'suppressed' : 'active', silencedBy, inhibitedBy, mutedBy: [] } };
    })
    .filter((a) => matchers.every((m) => m && matchesOne(m, a.labels)));
}

export function alertGroups() {
  const found = new Map();
  for (const alert of managed()) {
    const labels = { alertname: alert.labels.alertname, ...(alert.labels.namespace ? { namespace: alert.labels.namespace } : {}) };
    const key = JSON.stringify(labels);
    if (!found.has(key)) found.set(key, { labels, receiver: alert.receivers[0], alerts: [] });
    found.get(key).alerts.push(alert);
  }
  return [...found.values()];
}

export const receivers = () => [{ name: 'pager' }, { name: 'team' }];
export const status = () => ({ cluster: { status: 'disabled', peers: [] }, config: { original: 'route:\n  receiver: team\n  group_by: [alertname, namespace]\nreceivers:\n  - name: team\n  - name: pager\n' }, uptime: ago(4000), versionInfo: { version: '0.34.0' } });
export const listSilences = () => [...silences.values()].map((s) => ({ ...s, status: { state: stateOf(s) } }));

export function setSilence(body) {
  if (!(Date.parse(body.endsAt) > Date.now())) return { error: 'Failed to create silence: end time must not be in the past' };
  return { silenceID: addSilence(body) };
}

export function expire(id) {
  const silence = silences.get(id);
  if (silence) silence.endsAt = new Date().toISOString();
  return Boolean(silence);
}

export function notifications() {
  if (!has) return undefined;
  const fired = managed().filter((a) => a.labels.alertname !== 'Watchdog');
  const record = (alerts, i, more = {}) => ({ time: recently(95 + i * 260), receiver: alerts[0].receivers[0].name, integration: alerts[0].receivers[0].name === 'pager' ? 'pagerduty[0]' : 'slack[0]', groupKey: `{}:{alertname="${alerts[0].labels.alertname}"}`, groupLabels: { alertname: alerts[0].labels.alertname }, alerts: alerts.map((a) => ({ labels: a.labels, status: 'firing' })), attempts: 1, outcome: 'delivered', durationMs: 84 + i * 31, ...more });
  if (fired.length === 0) return [];
  return [
    record(fired.slice(0, 1), 0, { outcome: 'retrying', attempts: 3, error: 'unexpected status code 503: service unavailable' }),
    ...fired.map((a, i) => record([a], i + 1)),
    record(fired.slice(0, 1), 9, { outcome: 'failed', attempts: 1, error: 'unexpected status code 404: no_service', durationMs: 12 }),
    { ...record(fired.slice(0, 1), 14), alerts: [{ labels: { alertname: 'HighAPILatency', namespace, job: 'todo-backend', severity: 'warning' }, status: 'resolved' }], groupLabels: { alertname: 'HighAPILatency' } },
  ];
}

export function slos() {
  if (!has) return [];
  const infos = groups('record').flatMap((g) => g.rules.filter((r) => r.name === 'slo:info').map((r) => r.labels));
  return infos.map((l) => {
    const own = `{namespace="${l.namespace}", service="${l.service}", slo="${l.slo}"}`;
    const burnRate = Object.fromEntries(['5m', '30m', '1h', '2h', '6h', '1d', '3d', l.window].map((w) => [w, `slo:mock_burn:${w}${own}`]));
    return { name: l.slo, namespace: l.namespace, service: l.service, objective: Number(l.objective), window: l.window, kind: l.kind, ...(l.threshold ? { threshold: Number(l.threshold) } : {}), series: { sliError: `slo:sli_error:ratio_rate${l.window}${own}`, errorBudgetRemaining: `slo:period_error_budget_remaining:ratio${own}`, burnRate }, alerts: ['ErrorBudgetBurnFast', 'ErrorBudgetBurnSlow'], runbookUrl: 'http://127.0.0.1:9090/user/ErrorBudgetBurnFast.md', description: l.description };
  });
}

/** Series of the objectives: one burns, one is kept, one has hardly any traffic, one was never measured. */
export function addSeries() {
  const now = began / 1000;
  const of = (name, at, only) => {
    const series = slos().map(({ name: slo, service, namespace: ns }, i) => ({ namespace: ns, service, slo, i }));
    const shown = series.filter(only ?? (() => true));
    catalog[name] = { type: 'gauge', help: 'Of an objective.', series: shown.map(({ i: _i, ...labels }) => labels), level: 1, at: (labels) => at(series.findIndex((s) => s.slo === labels.slo)) };
  };
  const known = ({ i }) => i !== 3;
  const burns = (i) => [0.4, 3.1, 0.2][i] ?? 0.1;
  of('slo:period_error_budget_remaining:ratio', (i) => (t) => (i === 1 ? Math.min(1, 0.18 + (now - t) / 700_000) : 0.96 - 0.1 * i - 0.05 * Math.sin(t / 40_000)), known);
  of('slo:sli_error:ratio_rate7d', (i) => () => [0.0006, 0.0041, 0.011][i] ?? 0, known);
  for (const w of ['5m', '30m', '1h', '2h', '6h', '1d', '3d', '7d']) of(`slo:mock_burn:${w}`, (i) => (t) => Math.max(0, burns(i) * (1 + 0.6 * Math.sin(t / 5000 + w.length))), known);
  of('slo:events:rate5m', (i) => () => [220, 190, 0.06][i] ?? 0, known);
  of('slo:failures:rate5m', (i) => () => [0.2, 0.8, 0.002][i] ?? 0, known);
}

export function annotations(from, to) {
  return alerts()
    .filter((a) => a.state === 'firing' && a.labels.severity !== 'none')
    .map((a, i) => ({ id: i + 1, time: Date.parse(a.activeAt), timeEnd: Date.now(), text: `${a.labels.alertname} fires: ${Object.entries(a.labels).filter(([n]) => n !== 'alertname').map(([n, v]) => `${n}="${v}"`).join(', ')}`, tags: ['alert', a.labels.alertname, 'firing'] }))
    .filter((a) => a.timeEnd >= from && a.time <= to);
}

export function page(name) {
  try {
    return /^[\w-]+\.md$/.test(name) ? readFileSync(runbooks + name, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}
