// A life of alerts and silences, and questions about it. `{{n}}` in a path or body stands for the id of the n-th silence that was answered.
import { alerts, json, silence, silences, times } from './mistakes.mjs';

/** Numbers from 0 to 1, the same in every run. */
export function random(seed) {
  let state = seed;
  return () => ((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648);
}

const get = (path) => ({ method: 'GET', path, headers: {} });
const remove = (path) => ({ method: 'DELETE', path, headers: {} });
const query = (pairs) => pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
const equal = (name, value) => ({ name, value, isRegex: false });
const regex = (name, value) => ({ name, value, isRegex: true });
const not = (matcher) => ({ ...matcher, isEqual: false });
const hours = (count) => new Date(Date.now() + count * 3_600_000).toISOString();

/** Alerts of three names in three clusters, some inhibited by others. */
function fleet() {
  const out = [];
  for (const alertname of ['Down', 'HighLatency', 'Disk <full> & "more"']) {
    for (const cluster of ['eu', 'us', 'ap']) {
      for (const [number, team] of ['a', 'b', 'c', ''].entries()) {
        out.push({
          labels: { alertname, cluster, ...(team && { team }), service: `s${number % 2}`, severity: ['critical', 'warning', 'page', 'warning'][number] },
          annotations: { summary: `${alertname} in ${cluster}`, 'ключ': '<b>&\u2028' },
          startsAt: number % 2 ? times.past : undefined,
          endsAt: number === 3 ? times.tomorrow : undefined,
          generatorURL: number ? `http://prometheus:9090/graph?g0.expr=up&x=<${number}>` : undefined,
        });
      }
    }
  }
  return out;
}

const everything = (ordered = true) => ['/alerts', '/alerts/groups', '/silences'].map((path) => ({ ...get(path), settle: true, ordered }));

export function* scenario() {
  yield get('/status');
  yield* everything();
  yield alerts(fleet());
  yield* everything();
  // again with other words, ended, ended and begun again, and one that begins later
  yield alerts(fleet().slice(0, 5).map((alert) => ({ ...alert, annotations: { summary: 'again' } })));
  yield alerts(fleet().slice(5, 8).map((alert) => ({ ...alert, startsAt: times.past, endsAt: times.earlier })));
  yield alerts([{ ...fleet()[6], startsAt: times.earlier, endsAt: times.tomorrow }]);
  yield alerts([{ labels: { alertname: 'Future', team: 'b' }, startsAt: times.later, endsAt: times.tomorrow }]);
  yield alerts([{ labels: { alertname: 'Never', team: 'b' }, startsAt: times.past, endsAt: times.earlier }]);
  yield* everything();
  yield* silencing();
  yield* questions();
}

function* silencing() {
  const set = (fields, ends) => silences(silence({ endsAt: hours(ends), ...fields }));
  yield set({ matchers: [equal('alertname', 'Down')] }, 24); // 0
  yield set({ matchers: [regex('team', 'a|b'), not(equal('cluster', 'eu'))], comment: 'two <teams> & "more"\n' }, 25); // 1
  yield set({ matchers: [not(regex('severity', 'warning|page'))], startsAt: times.later }, 26); // 2: not yet
  yield set({ matchers: [equal('cluster', 'ap')], annotations: { ticket: 'T-1 <&>', 'ключ': 'é' } }, 27); // 3
  yield set({ matchers: [{ ...equal('имя с пробелом', '🙂'), isEqual: true }, equal('nothing', '')] }, 28); // 4
  yield* everything();
  for (const number of [0, 1, 2, 3, 4]) yield get(`/silence/{{${number}}}`);
  // ended, ended again, asked for in another notation
  yield remove('/silence/{{3}}');
  yield remove('/silence/{{3}}');
  yield remove('/silence/{{2}}');
  yield get('/silence/{{2}}');
  yield get('/silence/{{3}}');
  // changed: the end (the same), the matchers (another), the start of one that holds, one that is over, one that is not yet
  yield set({ id: '{{0}}', matchers: [equal('alertname', 'Down')], startsAt: '{{start of 0}}', comment: 'longer' }, 30);
  yield set({ id: '{{1}}', matchers: [regex('team', 'a|b')] }, 31); // 5
  yield set({ id: '{{4}}', matchers: [equal('имя с пробелом', '🙂'), equal('nothing', '')], startsAt: times.later }, 32); // 6
  yield set({ id: '{{3}}', matchers: [equal('cluster', 'ap')] }, 33); // 7
  yield set({ matchers: [equal('a', 'b')], startsAt: times.later }, 34); // 8: not yet
  yield set({ id: '{{8}}', matchers: [equal('a', 'b')], startsAt: hours(2) }, 35);
  yield set({ id: '{{8}}', matchers: [equal('a', 'b')], startsAt: times.past }, 36); // 9
  // refused, and nothing changed
  yield set({ id: '{{0}}', matchers: [equal('alertname', '')] }, 30);
  yield set({ id: '{{0}}', matchers: [equal('alertname', 'Down')] }, -1);
  yield silences(silence({ id: '{{0}}', matchers: [] }), json);
  for (let number = 0; number <= 9; number++) yield get(`/silence/{{${number}}}`);
  yield* everything();
}

function* questions() {
  const yesNo = ['true', 'false'];
  for (const active of yesNo) {
    for (const silenced of yesNo) {
      for (const inhibited of yesNo) {
        yield get(`/alerts?${query([['active', active], ['silenced', silenced], ['inhibited', inhibited]])}`);
        for (const muted of yesNo) yield get(`/alerts/groups?${query([['active', active], ['silenced', silenced], ['inhibited', inhibited], ['muted', muted]])}`);
      }
    }
    for (const pending of yesNo) for (const expired of yesNo) yield get(`/silences?${query([['active', active], ['pending', pending], ['expired', expired]])}`);
  }
  for (const filter of ['alertname=Down', 'alertname="Down"', 'alertname=~"a|b"', 'team=~"a|b"', 'team=""', 'cluster!="eu"', 'cluster!=eu', 'severity!~"warning|page"', 'nothing=""', 'a=b', '"имя с пробелом"="🙂"']) yield get(`/silences?${query([['filter', filter]])}`);
  yield get(`/silences?${query([['filter', 'a=b'], ['filter', 'c=d']])}`);
  yield get(`/silences?${query([['filter', 'nothing=""'], ['filter', '"имя с пробелом"=🙂']])}`);
  const next = random(7);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const filters = ['alertname=Down', 'alertname!=Down', 'alertname=~"D.*"', 'alertname!~"D.*"', 'team=""', 'team!=""', 'team=a', 'team!=a', 'team=~"a|"', 'cluster=~"eu|us"', 'severity="page"', 'service=s1', 'nothing=""', 'nothing!=""', 'nothing!=x', 'nothing=~".*"', 'nothing=~".+"', '"ключ"=""', 'alertname="Disk <full> & \\"more\\""'];
  const receivers = ['default', 'team-.*', 'pager', 'regional.*', 'team-a|pager', '.*', 'nobody'];
  const ofReceivers = ['owner=a', 'owner!=a', 'owner=""', 'owner!=""', 'tier="1"', 'name=~"team.*"', 'owner=~".*<.*"'];
  for (let number = 0; number < 160; number++) {
    const pairs = [];
    for (let count = Math.floor(next() * 3); count > 0; count--) pairs.push(['filter', pick(filters)]);
    if (next() < 0.3) pairs.push(['receiver', pick(receivers)]);
    for (let count = Math.floor(next() * 1.6); count > 0; count--) pairs.push(['receiver_matchers', pick(ofReceivers)]);
    for (const flag of ['active', 'silenced', 'inhibited', 'muted']) if (next() < 0.2) pairs.push([flag, 'false']);
    yield get(`${pick(['/alerts', '/alerts/groups'])}?${query(pairs)}`);
  }
}
