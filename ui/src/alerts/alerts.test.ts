import { describe, expect, it, test } from 'vitest';
import type { ManagedAlert, Silence } from '../api/alertmanager';
import type { AlertingRule, RuleGroup } from '../api/rules';
import type { Slo } from '../api/slos';
import type { Annotation } from '../api/annotations';
import { routeOf } from '../app/routes';
import { spansOf } from '../charts/annotations';
import type { ChartModel } from '../charts/model';
import { colorTheme, withAlpha } from '../grafana/theme';
import { annotationHref, chartAnnotations } from '../panels/annotations';
import { comparedIn, numberOf, unitOf } from './expression';
import { panelOf, standOut } from './chart';
import { causes, runbookPlace } from './links';
import { alertRows, countAttention, filterRows, keyOf, readSearch, toggleMatcher, wantsAttention, type AlertRow } from './model';
import { burnLevel, countQueries, remarks, shareText, standingOf, type ObjectiveNumbers } from './objective';
import { checkDraft, draftOf, matchersOf, matcherText, opOf, type SilenceDraft } from './silences';
import { agoText, secondsText, sinceText, untilText, valueText } from './text';

describe('expressions', () => {
  test.each<[string, Partial<ReturnType<typeof comparedIn>[number]>[]]>([
    ['up == 0', [{ expr: 'up', op: '==', threshold: 0 }]],
    ['sum by (job) (rate(errors{status=~"5..", path!="a > 1"}[5m]))\n/\n(sum(rate(all[5m])) > 0)\n> 0.05', [{ op: '>', threshold: 0.05 }]],
    ['(a > 5) and on (job) (b < 3)', [{ expr: 'a', op: '>', threshold: 5, besides: 'and on (job) (b < 3)' }]],
    ['a > 5 unless b', [{ expr: 'a', threshold: 5, besides: 'unless b' }]],
    ['(a > 14.4 and b > 14.4) or (c > 6 and d > 6)', [{ expr: 'a', threshold: 14.4 }, { expr: 'c', threshold: 6 }]],
    ['a > 1 or on (job) b > 2', [{ expr: 'a', threshold: 1 }, { expr: 'b', threshold: 2 }]],
    ['5 < a', [{ expr: 'a', op: '>', threshold: 5 }]],
    ['used >= on (hpa) group_left () most', [{ expr: 'used', op: '>=', against: 'most' }]],
    ['a > bool 3', [{ expr: 'a > bool 3' }]],
    ['a > -1.5e3', [{ expr: 'a', threshold: -1500 }]],
    ['vector(1)', [{ expr: 'vector(1)' }]],
    ['# more > 3 than or\na # and < 2\n> 1', [{ expr: 'a', op: '>', threshold: 1 }]],
    ['{__name__="or > 2"} < 7', [{ expr: '{__name__="or > 2"}', op: '<', threshold: 7 }]],
    ['errors_or_not > 3', [{ expr: 'errors_or_not', threshold: 3 }]],
    ['a:or:b > 3', [{ expr: 'a:or:b', threshold: 3 }]],
    ['((a)) > (2)', [{ expr: 'a', threshold: 2 }]],
    ['(a) + (b) > 2', [{ expr: '(a) + (b)', threshold: 2 }]],
    ['a > (b', [{}]],
    ['', [{ expr: '' }]],
  ])('%s', (query, expected) => expect(comparedIn(query)).toMatchObject(expected));

  it('are numbers only when all of the text is one', () => {
    expect(['3', '-2.5', '1e3', '(4)', '.5', '+Inf', '2 * 3', 'a', ''].map(numberOf)).toEqual([3, -2.5, 1000, 4, 0.5, Infinity, undefined, undefined, undefined]);
  });

  it('have a unit where names tell', () => {
    const unit = (query: string) => unitOf(comparedIn(query)[0]!);
    expect(unit('a / b > 0.05')).toBe('percentunit');
    expect(unit('slo:sli_error:ratio_rate5m > 0.1')).toBe('percentunit');
    expect(unit('sum(rate(a_total{path="/x"}[5m])) > 3')).toBeUndefined();
    expect(unit('histogram_quantile(0.95, sum by (le) (rate(t_seconds_bucket[5m]))) > 1')).toBe('s');
    expect(unit('rate(cpu_seconds_total[5m]) > 1')).toBeUndefined();
    expect(unit('free_bytes < 1000')).toBe('bytes');
  });

  it('become panels with their thresholds', () => {
    const steps = (query: string) => panelOf(comparedIn(query)).fieldConfig?.defaults;
    expect(steps('a > 5')).toMatchObject({ thresholds: { steps: [{ color: 'transparent' }, { value: 5, color: 'red' }] }, custom: { thresholdsStyle: { mode: 'dashed+area' }, axisSoftMax: 6.25 } });
    expect(steps('a < 5')?.custom).toMatchObject({ thresholdsStyle: { mode: 'dashed' } });
    expect(steps('vector(1)')?.custom).toMatchObject({ thresholdsStyle: { mode: 'off' } });
    expect(panelOf(comparedIn('a >= b')).targets).toMatchObject([{ expr: 'a' }, { expr: 'b', legendFormat: 'threshold' }]);
  });

  it("show the alert's own series before the others", () => {
    const series = [{ job: 'a' }, { job: 'b' }].map((labels) => ({ labels, color: 'red', style: { lineWidth: 1 } }));
    const model = { series } as unknown as ChartModel;
    const out = standOut(model, { alertname: 'X', job: 'b' }, colorTheme('dark'));
    expect(out.series.map((s) => s.style.lineWidth)).toEqual([1, 2.5]);
    expect(out.series[0]?.color).not.toBe('red');
    expect(standOut(model, { job: 'c' }, colorTheme('dark'))).toBe(model);
  });
});

const rule = (name: string, changes: Partial<AlertingRule> = {}): AlertingRule => ({
  type: 'alerting', name, query: 'up == 0', duration: 60, labels: { severity: 'warning' }, annotations: {}, state: 'inactive', alerts: [], health: 'ok', evaluationTime: 0.001, lastEvaluation: '2026-11-23T06:00:00Z', ...changes,
});
const alert = (labels: Record<string, string>, state: 'firing' | 'pending' = 'firing', activeAt = '2026-11-23T05:00:00Z') => ({ labels, annotations: { summary: `of ${labels.job ?? ''}` }, state, activeAt, value: '1e+00' });
const group = (...rules: AlertingRule[]): RuleGroup => ({ name: 'g', file: 'f', rules, interval: 30, evaluationTime: 0.01, lastEvaluation: '2026-11-23T06:00:00Z' });
const managed = (labels: Record<string, string>, status: Partial<ManagedAlert['status']> = {}): ManagedAlert => ({
  labels, annotations: {}, startsAt: '2026-11-23T05:01:00Z', endsAt: '2026-11-23T07:00:00Z', updatedAt: '2026-11-23T06:00:00Z', fingerprint: keyOf(labels), receivers: [{ name: 'team' }],
  status: { state: status.silencedBy || status.inhibitedBy ? 'suppressed' : 'active', silencedBy: [], inhibitedBy: [], ...status },
});

const down = { alertname: 'Down', severity: 'warning', job: 'a' };
const broken = { alertname: 'Broken', severity: 'critical', job: 'b' };
const dog = { alertname: 'Watchdog', severity: 'none' };
const groups = [
  group(
    rule('Down', { alerts: [alert(down), alert({ ...down, job: 'c' }), alert({ ...down, job: 'd' }, 'pending')] }),
    rule('Broken', { alerts: [alert(broken, 'firing', '2026-11-23T05:30:00Z')] }),
    rule('Watchdog', { alerts: [alert(dog)] }),
    rule('Quiet'),
  ),
];
const sent = [managed({ ...down, cluster: 'x' }, { silencedBy: ['s1'] }), managed({ ...broken, cluster: 'x' }), managed({ alertname: 'Foreign', severity: 'info' }), managed({ ...down, job: 'c' }, { inhibitedBy: ['f'] })];

describe('rows', () => {
  const rows = alertRows(groups, sent);
  const names = (list: AlertRow[]) => list.map((r) => `${r.name} ${r.labels.job ?? ''} ${r.state}`.replace('  ', ' '));

  it('are joined with what the Alertmanager says, the most urgent first', () => {
    expect(names(rows)).toEqual(['Broken b firing', 'Foreign firing', 'Down d pending', 'Watchdog firing', 'Down a silenced', 'Down c inhibited', 'Quiet inactive']);
    expect(rows[0]?.managed?.labels.cluster).toBe('x');
    expect(rows.filter(wantsAttention).map((r) => r.name)).toEqual(['Broken', 'Foreign']);
  });

  it('are there without an Alertmanager', () => {
    expect(names(alertRows(groups, undefined))).toEqual(['Broken b firing', 'Down a firing', 'Down c firing', 'Down d pending', 'Watchdog firing', 'Quiet inactive']);
    expect(alertRows([], undefined)).toEqual([]);
  });

  it('have keys of their own, the same at every reading', () => {
    expect(new Set(rows.map((r) => r.key)).size).toBe(rows.length);
    expect(keyOf({ b: '1', a: '2' })).toBe(keyOf({ a: '2', b: '1' }));
    expect(keyOf({ a: 'x' })).not.toBe(keyOf({ a: 'y' }));
  });

  test.each<[Partial<Parameters<typeof filterRows>[1]>, string[]]>([
    [{ state: 'firing' }, ['Broken', 'Foreign', 'Watchdog']],
    [{ state: 'silenced' }, ['Down', 'Down']],
    [{ state: 'inactive' }, ['Quiet']],
    [{ severity: 'critical' }, ['Broken']],
    [{ search: 'job=a' }, ['Down']],
    [{ search: 'job=~"a|d" DOWN' }, ['Down', 'Down']],
    [{ search: 'job!="b" severity!=none of' }, ['Down', 'Down', 'Down']],
    [{ search: 'job=~"(' }, ['Broken', 'Foreign', 'Down', 'Watchdog', 'Down', 'Down']],
    [{ search: 'nowhere' }, []],
  ])('are filtered by %j', (filter, expected) => {
    expect(filterRows(rows, { state: 'all', severity: '', search: '', ...filter }).map((r) => r.name)).toEqual(expected);
  });

  it('are counted for the badge without those that are silenced or only prove that alerting works', () => {
    const alerts = groups.flatMap((g) => g.rules.flatMap((r) => (r.type === 'alerting' ? (r.alerts ?? []) : [])));
    expect(countAttention(alerts, undefined)).toBe(3);
    expect(countAttention(alerts, sent)).toBe(1);
  });

  it('get a matcher more in the search, and lose it again', () => {
    expect(toggleMatcher('', 'job', 'a')).toBe('job=a');
    expect(toggleMatcher('disk', 'path', 'a b')).toBe('disk path="a b"');
    expect(toggleMatcher('disk path="a b" x', 'path', 'a b')).toBe('disk x');
    expect(readSearch('path="a b"').map(({ label, test }) => [label, test('a b'), test('a')])).toEqual([['path', true, false]]);
  });
});

describe('places', () => {
  test.each<[string | undefined, string | undefined, boolean?]>([
    ['http://localhost:9090/user/HighErrorRate.md', '/runbooks/HighErrorRate'],
    ['/user/HighErrorRate.md', '/runbooks/HighErrorRate'],
    ['docs/runbooks/TargetDown.md', '/runbooks/TargetDown'],
    ['TargetDown', '/runbooks/Fallback'],
    ['https://runbooks.example.org/docs/x', 'https://runbooks.example.org/docs/x', true],
    ['https://example.org/user/', 'https://example.org/user/', true],
    ['javascript:alert(1)', '/runbooks/Fallback'],
    ['', undefined],
    [undefined, undefined],
  ])('the runbook %s is at %s', (url, href, outside) => {
    expect(runbookPlace(url, 'Fallback')?.href).toBe(href);
    expect(Boolean(runbookPlace(url, 'Fallback')?.outside)).toBe(Boolean(outside));
  });

  const row = (labels: Record<string, string>, query: string, name = 'X', annotations = {}): AlertRow => ({ key: '1', name, state: 'firing', labels, annotations, of: { group: 'g', file: 'f', rule: rule(name, { query }) } });
  const labels = (of: AlertRow) => causes(of).map((p) => p.label);

  it('lead from an alert to where its cause can be seen', () => {
    expect(labels(row({ namespace: 'n', pod: 'p' }, 'memory_bytes > 1'))).toEqual(['Pod and log', 'Explore']);
    expect(labels(row({ job: 'a' }, 'up == 0'))).toEqual(['Targets', 'Explore']);
    expect(labels(row({ job: 'a' }, 'x{state="up"} == 0'))).toEqual(['Explore']);
    expect(labels(row({ job: 'a' }, 'rate(http_requests_total[5m]) > 1', 'HighErrorRate'))).toEqual(['Failed traces', 'Explore']);
    expect(causes(row({ job: 'a' }, 'rate(http_requests_total[5m]) > 1', 'HighErrorRate'))[0]?.href).toContain('error');
    expect(causes(row({ horizontalpodautoscaler: 'h', deployment: 'd', namespace: 'n' }, 'a > 1'))[0]?.href).toBe('/scaling?workload=n%2Fd');
    expect(labels(row({}, 'a > 1', 'X', { dashboard_url: 'javascript:alert(1)' }))).toEqual(['Explore']);
    expect(causes(row({}, 'a > 1 or b > 2')).at(-1)?.href).toBe('/explore?q=a&q=b');
  });

  it('have addresses', () => {
    expect(['/alerts', '/alerts/silences', '/slos', '/runbooks/HighErrorRate', '/runbooks', '/graph', '/alerts/none'].map((p) => routeOf(p).page)).toEqual(['/alerts', '/alerts/silences', '/slos', '/runbooks', undefined, '/graph', undefined]);
    expect(routeOf('/runbooks/HighErrorRate').uid).toBe('HighErrorRate');
  });
});

describe('silences', () => {
  const now = Date.parse('2026-11-23T06:00:00Z');
  const draft: SilenceDraft = { matchers: [{ name: 'job', op: '=', value: 'a' }], starts: '', ends: '2h', createdBy: 'ana', comment: 'disk' };
  const silence: Silence = {
    id: 's1', matchers: [{ name: 'job', value: 'a|b', isRegex: true }], startsAt: '2026-11-23T05:00:00.123Z', endsAt: '2026-11-23T07:00:00.456Z', createdBy: 'ana', comment: 'disk', updatedAt: '2026-11-23T05:00:00Z', status: { state: 'active' },
  };

  it('are asked for with the matchers, from now, for a duration', () => {
    expect(checkDraft(draft, now)).toEqual({ ok: { matchers: [{ name: 'job', value: 'a', isRegex: false, isEqual: true }], startsAt: '2026-11-23T06:00:00.000Z', endsAt: '2026-11-23T08:00:00.000Z', createdBy: 'ana', comment: 'disk' } });
    expect(checkDraft({ ...draft, starts: '2026-11-24T00:00:00Z', ends: '1h' }, now)).toMatchObject({ ok: { startsAt: '2026-11-24T00:00:00.000Z', endsAt: '2026-11-24T01:00:00.000Z' } });
  });

  test.each<[Partial<SilenceDraft>, string]>([
    [{ matchers: [] }, 'at least one matcher'],
    [{ matchers: [{ name: ' ', op: '=', value: 'a' }] }, 'no label name'],
    [{ matchers: [{ name: 'a', op: '=~', value: '.*' }] }, 'refuse the empty value'],
    [{ matchers: [{ name: 'a', op: '!=', value: 'x' }] }, 'refuse the empty value'],
    [{ ends: 'soon' }, 'neither a duration'],
    [{ ends: '2020-01-01' }, 'is over'],
    [{ starts: 'never' }, 'not a moment'],
    [{ createdBy: ' ' }, 'Who'],
    [{ comment: '' }, 'Why'],
  ])('%j is refused', (changes, text) => expect((checkDraft({ ...draft, ...changes }, now) as { problem: string }).problem).toContain(text));

  it('keep their times to the millisecond when only the comment changes: another beginning would be another silence', () => {
    const edited = draftOf(silence);
    expect(edited).toMatchObject({ id: 's1', matchers: [{ op: '=~' }] });
    expect(checkDraft({ ...edited, comment: 'new disk' }, now, silence)).toMatchObject({ ok: { id: 's1', startsAt: silence.startsAt, endsAt: silence.endsAt, comment: 'new disk' } });
  });

  it('begin anew with their length when they are over', () => {
    expect(draftOf({ ...silence, status: { state: 'expired' } })).toMatchObject({ id: undefined, starts: '', ends: '2h' });
  });

  it('have matchers as Alertmanager writes them', () => {
    expect([{ isRegex: false }, { isRegex: true, isEqual: true }, { isRegex: false, isEqual: false }, { isRegex: true, isEqual: false }].map((m) => opOf({ name: '', value: '', ...m }))).toEqual(['=', '=~', '!=', '!~']);
    expect(matchersOf({ severity: 'x', alertname: 'A "b"' }).map(matcherText)).toEqual(['alertname="A \\"b\\""', 'severity="x"']);
  });
});

describe('objectives', () => {
  const slo: Slo = { name: 's', namespace: 'n', service: 'v', objective: 0.995, window: '7d', kind: 'availability', series: { sliError: 'a', errorBudgetRemaining: 'b', burnRate: {} }, alerts: [], description: '' };
  const numbers = (changes: Partial<ObjectiveNumbers>): ObjectiveNumbers => ({ sliError: 0.001, remaining: 0.8, burnRates: [['5m', 0.2], ['1h', 0.5]], events: 10_000, failures: 10, ...changes });

  test.each<[Partial<ObjectiveNumbers>, string, string]>([
    [{}, 'kept', '10 k events in 7d, 10 of them bad; 50 may be.'],
    [{ burnRates: [['1h', 4]] }, 'burning', 'the rest of the budget lasts 1d 9h'],
    [{ remaining: -0.2 }, 'spent', '10 k events'],
    [{ sliError: undefined }, 'unknown', 'says nothing about how it does'],
    [{ events: 0, sliError: 0, remaining: 1 }, 'idle', 'proves nothing'],
    [{ events: 40, failures: 0 }, 'kept', 'a single failure uses 500 % of the budget'],
  ])('with %j', (changes, standing, text) => {
    expect(standingOf(numbers(changes))).toBe(standing);
    expect(remarks(slo, numbers(changes)).join(' ')).toContain(text);
  });

  it('are written with the digits that count', () => {
    expect([0.995, 0.9995, 0.99999, 1, 0.18, 0, -0.25, 0.9959].map(shareText)).toEqual(['99.5 %', '99.95 %', '99.999 %', '100 %', '18 %', '0 %', '-25 %', '99.59 %']);
    expect([undefined, 0.5, 3, 14.4].map(burnLevel)).toEqual(['', 'good', 'warn', 'bad']);
    expect(countQueries(slo).events).toContain('{namespace="n", service="v", slo="s"}[7d:1m]');
  });
});

describe('texts', () => {
  const now = Date.parse('2026-11-23T06:00:00Z');
  it('of times and values', () => {
    expect(sinceText('2026-11-23T05:48:56Z', now)).toBe('11m 4s');
    expect([agoText('0001-01-01T00:00:00Z', now), agoText('2026-11-23T05:55:10Z', now), agoText('2026-11-23T06:00:00Z', now)]).toEqual(['never', '4m ago', 'now']);
    expect([untilText('2026-11-23T08:05:00Z', now), untilText('2026-11-23T05:00:00Z', now)]).toEqual(['in 2h 5m', '1h ago']);
    expect([0, 0.0000092, 0.00022, 0.084, 2.5, 240].map(secondsText)).toEqual(['0 ms', '9 µs', '0.22 ms', '84 ms', '2.5 s', '4m']);
    expect(['3e+00', '8.312345e-02', '+Inf', 'NaN', '1.5e+12', undefined, '0e+00'].map(valueText)).toEqual(['3', '0.083123', '+Inf', 'NaN', '1.50e+12', '–', '0']);
  });
});

describe('annotations of alerts', () => {
  const fired: Annotation = { id: 1, time: 1000, timeEnd: 5000, text: 'Down fires', tags: ['alert', 'Down', 'firing'] };
  it('last, in red, and lead to the alerts', () => {
    const theme = colorTheme('dark');
    const [drawn] = chartAnnotations([fired], theme);
    expect(drawn).toMatchObject({ timeMs: 1000, endMs: 5000, color: theme.color('red'), href: '/alerts?q=alertname%3DDown' });
    expect(annotationHref({ ...fired, tags: ['scaling', 'n', 'w'] })).toBe('/scaling?workload=n%2Fw');
  });

  it('are tinted once where several last at the same time, and cut at the range', () => {
    const at = (timeMs: number, endMs?: number) => ({ timeMs, endMs, name: '', text: '', color: 'red' });
    expect(spansOf([at(40, 60), at(0, 20), at(10, 45), at(70), at(80, 200), at(300, 400)], { from: 5, to: 100 })).toEqual([{ from: 5, to: 60, color: 'red' }, { from: 80, to: 100, color: 'red' }]);
    expect(withAlpha('rgba(0, 0, 0, 0)', 0.5)).toBe('rgba(0, 0, 0, 0)');
  });
});
