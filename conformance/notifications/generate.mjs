// Draws a configuration and what happens under it, so that nothing that happens comes close to the moment when a group is told: events come at whole
// seconds, reloads a quarter after, group waits end at half seconds, intervals are whole seconds, and repeats are due between two turns.

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const values = {
  alertname: ['Down', 'Slow', 'Full'],
  severity: ['critical', 'warning', 'info'],
  cluster: ['eu', 'us'],
  team: ['a', 'b', ''],
};
const names = Object.keys(values);

/** Seconds in which something happens, from the beginning. */
export const eventSeconds = 22;
/** When the comparison ends: before Alertmanager looks for empty groups, 30 s after its start. */
export const endSeconds = 27;

export function generate(seed) {
  const next = random(seed);
  const chance = (probability) => next() < probability;
  const one = (list) => list[Math.floor(next() * list.length)];
  const some = (list, probability) => list.filter(() => chance(probability));
  const matcher = () => {
    const name = one(names);
    const value = one(values[name]);
    switch (one(['=', '=', '=', '!=', '=~', '!~'])) {
      case '=': return `${name}="${value}"`;
      case '!=': return `${name}!="${value}"`;
      case '=~': return `${name}=~"${value}|${one(values[name])}"`;
      default: return `${name}!~"${value}.*"`;
    }
  };
  const matchers = () => Array.from({ length: chance(0.3) ? 2 : 1 }, matcher);

  const receivers = ['first', 'second', 'third'].map((name) => ({
    name,
    webhook_configs: Array.from({ length: chance(0.15) ? 2 : 1 }, (_, index) => ({ url: `URL/${name}/${index}`, send_resolved: !chance(0.25) })),
  }));
  const times = (route, always) => {
    const set = (key, probability, list) => {
      if (always || chance(probability)) route[key] = one(list);
    };
    set('group_wait', 0.4, ['500ms', '1500ms', '2500ms']);
    set('group_interval', 0.4, ['2s', '3s', '4s']);
    set('repeat_interval', 0.4, ['2500ms', '4500ms', '6500ms', '9500ms', '1h']);
    return route;
  };
  const route = (depth) => {
    const made = times({ matchers: matchers() }, false);
    if (chance(0.7)) made.receiver = one(receivers).name;
    if (chance(0.5)) made.group_by = chance(0.2) ? ['...'] : some(names, 0.4);
    if (chance(0.3)) made.continue = true;
    // an interval that never comes, or all of time
    if (chance(0.12)) made.mute_time_intervals = [one(['always', 'never'])];
    if (chance(0.12)) made.active_time_intervals = [one(['always', 'never'])];
    if (depth > 0) made.routes = Array.from({ length: Math.floor(next() * 3) }, () => route(depth - 1));
    return made;
  };
  const configuration = () => ({
    route: { ...times({ receiver: 'first', group_by: some(names, 0.4) }, true), routes: Array.from({ length: Math.floor(next() * 4) }, () => route(1)) },
    inhibit_rules: Array.from({ length: Math.floor(next() * 3) }, () => ({ source_matchers: matchers(), target_matchers: matchers(), equal: some(names, 0.3) })),
    receivers,
    time_intervals: [
      { name: 'always', time_intervals: [{}] },
      { name: 'never', time_intervals: [{ years: ['1999'] }] },
    ],
  });
  const configs = [configuration()];

  const labels = () => Object.fromEntries(names.map((name) => [name, one(values[name])]).filter(([, value]) => value !== ''));
  const known = Array.from({ length: 3 + Math.floor(next() * 8) }, labels);
  const events = [];
  let silences = 0;
  for (let second = 1; second <= eventSeconds; second += 1) {
    const at = second * 1000;
    if (chance(0.45)) {
      const sent = some(known, 0.35).map((of) => {
        const alert = { labels: of };
        // over already, over soon, or when nobody says so any more
        if (chance(0.35)) alert.endsAt = at;
        else if (chance(0.2)) alert.endsAt = at + 1000 * (1 + Math.floor(next() * 8));
        return alert;
      });
      const distinct = new Map(sent.map((alert) => [JSON.stringify(alert.labels), alert]));
      if (distinct.size > 0) events.push({ at, alerts: [...distinct.values()] });
    }
    if (chance(0.08)) {
      // what matches the absence of a label alone is refused
      events.push({ at, silence: { matchers: [`alertname="${one(values.alertname)}"`, ...some([matcher()], 0.5)], endsAt: at + 1000 * (2 + Math.floor(next() * 10)) } });
      silences += 1;
    } else if (silences > 0 && chance(0.1)) events.push({ at, expire: 1 + Math.floor(next() * silences) });
    if (configs.length === 1 && chance(0.015)) {
      configs.push(configuration());
      events.push({ at: at + 250, reload: true });
    }
  }
  return { configs, events };
}
