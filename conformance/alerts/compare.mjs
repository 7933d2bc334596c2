// What two sides told: the same receivers of the same groups of the same alerts, in the same order, at the same time.
//
// A notification is compared by receiver, path, group, status and the alerts in it with theirs; texts of Slack and Discord as they are.
// The sides scrape at moments of their own, a second apart at most, so times may differ by TOLERANCE_S, and an alert that begins within that
// time of a group's turn may be told a turn earlier or later: such groups are counted as split differently, if what they say in the end is equal.

/** Two scrapes, two evaluations. */
const TOLERANCE_S = 6;

const labels = (all) => Object.entries(all).sort().map(([name, value]) => `${name}=${value}`).join(',');

/** What a notification says, without times and measured values. */
function said({ path, body }) {
  if (!body.alerts) return { key: path, group: body.attachments?.[0]?.title ?? body.embeds?.[0]?.title, alerts: [], status: '' };
  return {
    key: path,
    group: body.groupKey,
    status: body.status,
    alerts: body.alerts.map((alert) => `${alert.status} ${labels(alert.labels)} ${Object.keys(alert.annotations).sort()} ${alert.generatorURL} ${alert.fingerprint}`).sort(),
    common: [body.version, body.receiver, labels(body.groupLabels), body.externalURL, body.truncatedAlerts].join(' '),
  };
}

function byGroup(told) {
  const groups = new Map();
  for (const one of told) {
    const { key, group, ...rest } = said(one);
    const name = `${key} ${group}`;
    groups.set(name, [...(groups.get(name) ?? []), { at: one.at, text: JSON.stringify(rest), ...rest }]);
  }
  return groups;
}

/** What was told of each alert, in order, without repetitions. */
function outcomes(notifications) {
  const states = new Map();
  for (const { alerts } of notifications) {
    for (const alert of alerts) {
      const [status] = alert.split(' ', 1);
      const name = alert.slice(status.length);
      const before = states.get(name) ?? [];
      if (before.at(-1) !== status) states.set(name, [...before, status]);
    }
  }
  return JSON.stringify([...states].sort());
}

export function compare(sides) {
  const [theirs, ours] = sides.map(({ told }) => byGroup(told));
  const count = { groups: 0, notifications: 0, equal: 0, split: 0, different: 0 };
  let largest = 0;
  for (const group of new Set([...theirs.keys(), ...ours.keys()])) {
    const [a, b] = [theirs.get(group) ?? [], ours.get(group) ?? []];
    count.groups += 1;
    count.notifications += Math.max(a.length, b.length);
    const same = a.length === b.length && a.every(({ text }, at) => text === b[at].text);
    const apart = same ? Math.max(...a.map(({ at }, index) => Math.abs(at - b[index].at) / 1000)) : 0;
    if (same && apart <= TOLERANCE_S) {
      count.equal += 1;
      largest = Math.max(largest, apart);
    } else if (!same && a.length && b.length && outcomes(a) === outcomes(b)) {
      count.split += 1;
    } else {
      count.different += 1;
      console.log(`differs: ${group}${same ? ` by ${apart.toFixed(1)} s` : ''}`);
      for (const [side, told] of [['theirs', a], ['ours', b]]) for (const one of told) console.log(`  ${side} ${new Date(one.at).toISOString()} ${one.text.slice(0, 600)}`);
    }
  }
  console.log(`${count.groups} groups of alerts at receivers, ${count.notifications} notifications: ${count.equal} groups equal (largest difference in time ${largest.toFixed(2)} s), ${count.split} split differently, ${count.different} differ`);
  return count.different === 0 && count.equal > 0;
}
