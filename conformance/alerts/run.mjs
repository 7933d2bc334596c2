// What a real Prometheus with a real Alertmanager tells, and what tidewatch tells, of the same application with the same files.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compare } from './compare.mjs';
import { activeTargets, application, ours, real, receiver, sleep, stop } from './systems.mjs';

const TIDEWATCH = process.env.TIDEWATCH;
const folder = resolve(process.argv[2]);
/** How many times shorter windows are. */
const FACTOR = 10;
const EXTERNAL_URL = 'http://monitoring.example';
/** How long causes last, and how long their end is waited for. */
const CAUSED_S = 75;
const MENDED_S = 100;

const SECONDS = { s: 1, m: 60, h: 3600, d: 86400 };
const shorter = (text) => text.replace(/(\d+)([smhd])/g, (_, number, unit) => `${Math.max(1, Math.round((number * SECONDS[unit]) / FACTOR))}s`);

/** The rules of a PrometheusRule as a rule file, with shorter windows. */
function ruleFile(manifest) {
  const text = readFileSync(manifest, 'utf8').split(/^spec:\n/m)[1];
  return text
    .replace(/^ {2}/gm, '')
    .replace(/\[[0-9smhd:]+\]/g, shorter)
    .replace(/(?<=^\s+(?:- )?(?:for|keep_firing_for): )\S+/gm, shorter)
    .replace(/(?<=^\s+(?:- )?interval: )\S+/gm, '2s');
}

/**
 * Alertmanager's configuration in the Secret, with shorter waits and all receivers at one address. Repeats fall due a second before a
 * group's turn: due at the very turn, they are told then or a turn later, as milliseconds have it, by Alertmanager too.
 */
function notifications(url, at) {
  const text = readFileSync('kubernetes/monitoring/alertmanager-config.yaml', 'utf8').split('alertmanager.yaml: |\n')[1].replace(/^ {4}/gm, '');
  const files = text.matchAll(/\/etc\/alertmanager\/receivers\/(\S+)/g);
  mkdirSync(join(at, 'receivers'), { recursive: true });
  for (const [, name] of files) writeFileSync(join(at, 'receivers', name), `${url}/${name}`);
  return text
    .replaceAll('/etc/alertmanager/receivers', join(at, 'receivers'))
    .replace(/(?<=(?:group_wait|group_interval|repeat_interval): )\S+/g, shorter)
    .replace(/(?<=repeat_interval: )(\d+)s/g, (_, seconds) => `${seconds - 1}s`);
}

/** A job for each target, with the labels that it has in the application. */
function scrapeConfigs(targets) {
  return targets.map(({ scrapeUrl, labels }, at) => {
    const { host, pathname, protocol } = new URL(scrapeUrl);
    return { job_name: `${at}`, scrape_interval: '1s', scrape_timeout: '1s', metrics_path: pathname, scheme: protocol.slice(0, -1), honor_labels: true, static_configs: [{ targets: [host], labels }] };
  });
}

async function main() {
  const app = await application(folder);
  const config = {
    global: { evaluation_interval: '2s', external_labels: { cluster: 'one' } },
    rule_files: [join(folder, 'rules', '*.yml')],
    scrape_configs: scrapeConfigs(await activeTargets(app.prometheus)),
  };
  mkdirSync(join(folder, 'rules'));
  for (const name of ['prometheus-rules', 'slo-rules']) writeFileSync(join(folder, 'rules', `${name}.yml`), ruleFile(`kubernetes/monitoring/${name}.yaml`));
  const sides = [];
  for (const [name, begin] of [['theirs', real], ['ours', ours]]) {
    const at = join(folder, name);
    mkdirSync(at);
    const told = await receiver();
    // JSON is YAML; the section `alerting` may follow it only where it is a block
    const blocks = Object.entries(config).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
    writeFileSync(join(at, 'prometheus.yml'), blocks.join(''));
    const file = join(at, 'alertmanager.yml');
    writeFileSync(file, notifications(told.url, at));
    sides.push({ name, told: told.told, ...(await begin(at, EXTERNAL_URL, file)) });
  }
  const load = ['todo-backend', 'todo-frontend'].map((service) => spawn(TIDEWATCH, ['load', `${app.services[service]}/${service === 'todo-backend' ? 'api/tasks' : ''}`, '--rate', '20/s', '--for', `${CAUSED_S + MENDED_S}s`], { stdio: 'ignore' }));
  console.log(`waiting for steady load, then ${CAUSED_S} s of causes and ${MENDED_S} s after them`);
  await sleep(20_000);
  const silence = { matchers: [{ name: 'alertname', value: 'HighAPILatency', isRegex: false, isEqual: true }], startsAt: new Date().toISOString(), endsAt: new Date(Date.now() + 3600_000).toISOString(), createdBy: 'conformance', comment: 'to be silenced' };
  for (const { alertmanager } of sides) {
    const set = await fetch(`${alertmanager}/api/v2/silences`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(silence) });
    if (!set.ok) throw new Error(`${alertmanager}: no silence: ${await set.text()}`);
  }
  const fault = (...words) => execFileSync(TIDEWATCH, ['fault', 'start', ...words, '--for', `${CAUSED_S}s`, '--server', app.ui], { stdio: 'inherit' });
  fault('error-ratio', 'todo-backend', '--ratio', '0.3');
  fault('latency', 'todo-frontend', '--latency', '2s');
  fault('broken-metrics', 'event-service');
  await sleep((CAUSED_S + MENDED_S) * 1000);
  load.forEach((child) => child.kill());
  return compare(sides);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  await stop();
}
