// Requests that are wrong, nearly wrong, or right in an unusual way.
export const json = { 'content-type': 'application/json' };
const at = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
export const times = { past: at(-120), earlier: at(-60), later: at(60), tomorrow: at(24 * 60), fixed: '2026-01-02T03:04:05.678Z' };

export const silence = (fields = {}) => ({
  matchers: [{ name: 'nobody', value: 'has this', isRegex: false }],
  startsAt: times.past,
  endsAt: times.tomorrow,
  createdBy: 'a person',
  comment: 'a reason',
  ...fields,
});
const post = (path) => (body, headers = json) => ({ method: 'POST', path, headers, body: typeof body === 'object' ? JSON.stringify(body) : body });
export const alerts = post('/alerts');
export const silences = post('/silences');
const get = (path, headers = {}) => ({ method: 'GET', path, headers });
const one = (fields) => alerts([{ labels: { alertname: 'Odd' }, ...fields }]);
const matcher = (...matchers) => silences(silence({ matchers }));

function* bodies() {
  for (const body of [undefined, '', ' \n', 'null', '[]', '[] and more', '{}', '[{}]', '[1]', '[', '[}', 'x', '"x"', '1', 'true', '[{"labels":', '[{"labels":{"a":"\\q"}}]', '[[]]', '[{"labels":null}]', '[{"labels":{}}]', '[{"labels":{"a":null}}]', '[{"labels":{"a":1}}]', '[{"labels":[]}]', '[{"labels":"x"}]', '[{"labels":{"a":""}}]', '[{"labels":{"":"x"}}]', '[{"labels":{"a":"b","":"x"}}]', '[{"labels":{"a":{}}}]', '[{"Labels":{"AlertName":"Case"}}]', '[{"labels":{"alertname":"Twice"},"labels":{"more":"1"}}]', '[{"labels":{"alertname":"Odd"}},{}]', '[{},{"labels":1}]', '[{"labels":{"alertname":"Odd"},"unknown":{"a":[1,2,{}]}}]']) yield alerts(body);
  yield { method: 'POST', path: '/alerts', headers: { ...json, 'content-length': '0' } };
  yield alerts([{ labels: {} }, { labels: { alertname: 'Odd', kept: 'though others are wrong' } }, { labels: { a: '1' }, startsAt: times.later, endsAt: times.past }, { labels: { '': '' } }]);
  for (const time of ['yesterday', '', null, 1, true, '2026-11-23', '2026-01-02T03:04:05', '2026-01-02T03:04Z', '2026-01-02T03:04', '2026-01-02 03:04:05', '2026-01-02T03:04:05.6789012Z', '2026-01-02T03:04:05+0200', '2026-01-02T03:04:05.678+0200', '2026-01-02T03:04:05.67+0200', '2026-01-02T03:04:05,5Z', '2026-01-02T03:04:05.678-05:30', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-01-02T24:00:00Z', '2026-01-02T03:04:60Z', '2026-01-02t03:04:05z', '2026-01-02 03:04:05Z', '0001-01-01T00:00:00Z', '1700000000', '123e-45678', '2026-01-02T03:04:05Z ', '9999-12-31T23:59:59Z']) {
    yield one({ labels: { alertname: 'Odd', is: 'fresh' }, endsAt: time });
    yield one({ startsAt: time, endsAt: '2026-01-02T03:04:06Z' });
    yield silences(silence({ endsAt: time }));
    if (time !== '9999-12-31T23:59:59Z') yield { ...silences(silence({ startsAt: time, endsAt: '2026-01-02T03:04:06Z' })) };
  }
  for (const url of ['http://x/a b', 'nope', '', null, 5, 'http://x/y?z=<1>&a', '/rel', '://', 'http:// bad', 'mailto:x@y', '*', 'http://[::1', 'http://[::1]:80/', 'http://x:abc/', 'http://x/%zz', '//x', ':x', 'http://a%20b/', 'http://u p@h/', 'a/b', 'http://x/#%zz', 'http://x:80:90/', 'http://é/']) yield one({ generatorURL: url });
  yield alerts([{ generatorURL: 'nope' }]);
  for (const annotations of [null, {}, { a: 1 }, { '': 'b' }, { a: null }, { a: '' }, 'x', []]) yield one({ annotations });
  for (const type of ['text/plain', undefined, 'application/json; charset=utf-8', 'APPLICATION/JSON', 'bad/', ';', 'application/x-www-form-urlencoded', 'text/plain; charset=utf-8', 'application/json;']) {
    const headers = type === undefined ? {} : { 'content-type': type };
    yield alerts('[]', headers);
    yield alerts(undefined, headers);
    yield silences('{}', headers);
  }
  for (const type of ['application/*', '*/*']) yield { ...alerts('[]', { 'content-type': type }), anyType: true };
  yield { ...alerts('[null]'), panics: true };
  yield { ...matcher(null), panics: true };
}

function* wrongSilences() {
  for (const body of [undefined, '', 'null', '[]', '{}', 'x', '"x"', '{"matchers":[]}', '{"comment":"","createdBy":""}', `{"comment":"","createdBy":"","endsAt":"${times.tomorrow}"}`, '{"matchers":', '{"comment":"\\q"}']) yield silences(body);
  for (const key of ['matchers', 'startsAt', 'endsAt', 'createdBy', 'comment']) {
    yield silences(silence({ [key]: undefined }));
    yield silences(silence({ [key]: null }));
    yield silences(silence({ [key]: 5 }));
    yield silences(silence({ [key]: {} }));
  }
  yield silences(silence({ matchers: [] }));
  for (const each of [{}, { isRegex: false }, { isRegex: false, name: 'a' }, { name: 'a', value: 'b' }, { name: 'a', value: 'b', isRegex: 'x' }, { name: 5, value: 'b', isRegex: false }, { name: 'a', value: 'b', isRegex: null }, { name: '', value: 'b', isRegex: false }, { name: 'a', value: '', isRegex: false }, { name: 'a', value: '(', isRegex: true }, { name: 'a', value: '.*', isRegex: true }, { name: 'a', value: '', isRegex: true }, { name: 'a', value: '|x', isRegex: true }, 'x', 1, []]) yield matcher(each);
  yield matcher({ name: 'a', value: 'b', isRegex: false }, { name: 'c' });
  yield matcher({ name: 'a', value: 'b', isRegex: false }, { name: '', value: 'x', isRegex: false });
  yield matcher({ name: '', value: 'b', isRegex: false }, { name: 'a', value: '(', isRegex: true });
  for (const fields of [{ startsAt: times.later, endsAt: times.earlier }, { endsAt: times.past }, { startsAt: times.past, endsAt: times.earlier }, { id: 'nope' }, { id: '018f0000-0000-7000-8000-000000000000' }, { id: 5 }, { id: [] }, { annotations: { a: 1 } }, { annotations: 'x' }, { id: 'nope', matchers: [{ name: 'a', value: '', isRegex: false }] }, { id: 'nope', endsAt: times.past }]) yield silences(silence(fields));
}

function* addresses() {
  for (const path of ['/nothing', '/', '/silence', '/silence/', '/silence/a/b', '/alerts/nothing', '/alerts/groups/nothing', '/swagger.json', '/status/x', '/silences/018f0000-0000-7000-8000-000000000000']) yield get(path);
  for (const path of ['/alerts/', '/alerts/groups/', '/silences/', '/receivers/', '/silence/xyz/', '/receivers?x=1']) yield get(path);
  yield { method: 'POST', path: '/nothing', headers: json, body: '{}' };
  for (const path of ['/status', '/receivers', '/alerts', '/alerts/groups', '/silences', '/silence/xyz', '/nothing']) {
    for (const method of ['PUT', 'PATCH', 'HEAD', 'OPTIONS', 'DELETE', 'POST']) {
      if (method === 'POST' && /^.(alerts|silences)$/.test(path)) continue;
      yield { method, path, headers: {} };
    }
  }
  const id = '018f0000-0000-7000-8000-000000000000';
  for (const each of ['xyz', id, id.toUpperCase(), id.replaceAll('-', ''), `%7B${id}%7D`, `urn:uuid:${id}`, `URN:UUID:${id}`, `urn_uuid:${id}`, '00000000-0000-0000-0000-000000000000', 'x%22y%3C', 'a%2Fb', id.replace('018f', '018g'), `${id}%20`, id.slice(1), id.replace('-', 'a'), '%C3%A9', '%7B%7D']) {
    yield get(`/silence/${each}`);
    yield { method: 'DELETE', path: `/silence/${each}`, headers: {} };
  }
  for (const accept of ['text/html', 'text/html, */*;q=0.1', 'application/*', '', 'application/json;q=0', '*/*;q=0', 'application/json;charset=utf-8', 'APPLICATION/JSON', 'junk', ',']) {
    yield get('/receivers', { accept });
    yield get('/silence/xyz', { accept });
    yield { method: 'DELETE', path: '/silence/xyz', headers: { accept } };
    yield alerts('[]', { ...json, accept });
  }
}

const query = (pairs) => pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
function* queries() {
  const flags = { '/alerts': ['active', 'silenced', 'inhibited', 'unprocessed'], '/alerts/groups': ['active', 'silenced', 'inhibited', 'muted'], '/silences': ['active', 'pending', 'expired'] };
  for (const [path, names] of Object.entries(flags)) {
    for (const name of names) for (const value of ['x', '', '0', '1', 'TRUE', 'yes', 'on', 'ok', 'false']) yield get(`${path}?${query([[name, value]])}`);
    yield get(`${path}?active=false&active=true`);
    yield get(`${path}?active=true&active=x`);
    yield get(`${path}?active`);
    for (const filter of ['', 'x', '{a=b}', '{a="b"', 'a="b"}', 'a=~"("', 'a="b', 'a=b,c=d', 'a="b",c="d"', '=', '=x', 'a=', 'a!', 'a==b', 'a b=c', '"a b"=c', 'a=~b|c', 'é=1', 'a = b ', 'alertname', 'alertname=~']) yield get(`${path}?${query([['filter', filter]])}`);
    yield get(`${path}?filter=a%3Db&filter=x`);
    yield get(`${path}?filter=%zz&active=1`);
    yield get(`${path}?filter=a%3D%FF`);
    yield get(`${path}?filter=a%3Db;x=1`);
  }
  for (const path of ['/alerts', '/alerts/groups']) {
    for (const receiver of ['(', '', 'team', 'team-.', 'a|.*', '[', '*', 'a{2,1}', '(?<', '\\q', '(?i)TEAM-A', 'é', '.*<.*']) yield get(`${path}?${query([['receiver', receiver]])}`);
    yield get(`${path}?receiver=a&receiver=(`);
    yield get(`${path}?filter=x&receiver=(&receiver_matchers=y`);
    yield get(`${path}?receiver=(&receiver_matchers=y`);
  }
  for (const path of ['/alerts', '/alerts/groups', '/receivers']) for (const matchers of ['x', '', 'owner=a', 'owner=~"("', 'owner!=""', 'tier=""', 'name=~".*a.*"', 'name!~"team.*"', 'owner=~".*<.*"', 'tier!="1"', 'nothing!=x']) yield get(`${path}?${query([['receiver_matchers', matchers]])}`);
}

export function* mistakes() {
  yield* addresses();
  yield* queries();
  yield* bodies();
  yield* wrongSilences();
}
