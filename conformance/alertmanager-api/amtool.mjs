// The same commands of amtool against Alertmanager and against tidewatch, and what differs in what it prints. Exits with 1 when something does.
//   node amtool.mjs <amtool> <configuration> <Alertmanager> <tidewatch>
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [amtool, configuration, ...bases] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'amtool-'));
const sides = bases.map((base, number) => ({ base, ids: [], shown: join(folder, `shown-${number}.yml`), exported: join(folder, `exported-${number}.json`) }));
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** What of amtool's output is not free: ids by number, no times, no differences in width. */
function normal(side, text) {
  for (const [id] of text.matchAll(UUID)) if (!side.ids.includes(id)) side.ids.push(id);
  return text
    .replace(UUID, (id) => `<silence ${side.ids.indexOf(id)}>`)
    .replaceAll(side.base, '<base>')
    .replaceAll(side.exported, '<exported>')
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?UTC|Z)?/g, '<time>')
    .replace(/[ -]+/g, ' ')
    .replace(/ failed, because .*/s, ' failed, because <words>')
    .replace(/(error parsing regexp: |invalid regular expression ).*/s, '<a wrong expression>');
}

function run(side, { words, input, alone }) {
  const filled = words.map((word) => word.replace(/\{\{(\d+)\}\}/g, (_, number) => side.ids[number]).replace('{{shown}}', side.shown).replace('{{exported}}', side.exported));
  const where = alone ? [] : [`--alertmanager.url=${side.base}`];
  const { status, stdout, stderr } = spawnSync(amtool, [...filled, ...where], { encoding: 'utf8', input, env: { ...process.env, TZ: 'UTC' } });
  return { status, stdout, stderr };
}

const commands = [
  'cluster show',
  'alert query',
  'alert add alertname=Tool node=n1 severity=warning cluster=eu service=s0 --annotation=summary=words --generator-url=http://prometheus/graph',
  'alert add Tool2 team=b',
  'alert add alertname=Tool3 team=a --start=2026-01-02T03:04:05Z --end=2099-01-02T03:04:05Z',
  'alert add alertname=Tool severity=critical cluster=eu service=s0',
  'alert add',
  'alert add alertname=Tool3 team=a --start=yesterday',
  'alert add alertname=Tool generator --generator-url=nonsense',
  'silence add alertname=Tool2 --author=somebody --comment=why --duration=2h',
  'silence add alertname=~Tool.* team!=b --author=somebody --comment=why',
  'silence add team=a --author=somebody --comment=later --start=2098-01-01T00:00:00Z --end=2099-01-01T00:00:00Z --annotation=ticket=T1',
  'silence add team=a --author=somebody',
  'silence add --author=somebody --comment=why',
  'silence add team=~( --author=somebody --comment=why',
  'silence add team= --author=somebody --comment=why',
  ...['', ' -o extended', ' -o json', ' -q'].map((format) => `silence query${format}`),
  'silence query team=a',
  'silence query alertname=Tool2 -o extended',
  'silence query --expired',
  'silence query --id={{0}}',
  'silence query --within=3h',
  'silence query --created-by=somebody -q',
  'silence query nonsense',
  ...['', ' -o extended', ' -o json'].flatMap((format) => [`alert query${format}`, `alert query --silenced${format}`, `alert query --inhibited${format}`, `alert query --active${format}`, `alert query --unprocessed${format}`]),
  'alert query alertname=Tool2', 'alert query Tool', 'alert query --silenced team=b', 'alert query --receiver=pager', 'alert query --receiver=( ', 'alert query team=~a|b -o extended', 'alert query {team=a',
  'silence update {{0}} --duration=5h --comment=longer',
  'silence update {{1}} --expires=2099-01-01T00:00:00Z',
  'silence update 018f0000-0000-7000-8000-000000000000 --duration=1h',
  'silence update nonsense --duration=1h',
  'silence query -o extended',
  'silence expire {{1}}',
  'silence expire {{1}}',
  'silence expire 018f0000-0000-7000-8000-000000000000',
  'silence expire nonsense',
  'silence query --expired -o extended',
  { words: ['silence', 'query', '-o', 'json'], export: true },
  { words: ['silence', 'import', '{{exported}}'], unordered: true },
  'silence import --force {{exported}}',
  { words: ['silence', 'import'], input: '[{"matchers":[{"name":"from","value":"a pipe","isRegex":false}],"startsAt":"2098-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"x","comment":"y"}]' },
  { words: ['silence', 'import'], input: '[{"matchers":[],"startsAt":"2098-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"x","comment":"y"}]' },
  { words: ['silence', 'import'], input: 'nonsense' },
  { words: ['silence', 'query'], unordered: true },
  'config routes show',
  'config routes test alertname=Tool',
  'config routes test team=a severity=page cluster=eu service=x',
  'config routes test severity=page --verify.receivers=pager',
  'config routes test severity=page --verify.receivers=default',
  'config routes test --tree team=a severity=page',
  { words: ['config', 'show'], keep: true },
  { words: ['check-config', '{{shown}}'], alone: true, verdict: true },
].map((command) => (typeof command === 'string' ? { words: command.trim().split(' ') } : command));

let [equal, differ] = [0, 0];
function compare(what, answers) {
  if (JSON.stringify(answers[0]) === JSON.stringify(answers[1])) return void equal++;
  differ++;
  console.log(`DIFFERS amtool ${what}`);
  for (const [at, answer] of answers.entries()) console.log(`  ${['Alertmanager', 'tidewatch   '][at]} ${JSON.stringify(answer)}`);
}

for (const command of commands) {
  const answers = sides.map((side) => {
    const said = run(side, command);
    if (command.export) writeFileSync(side.exported, said.stdout);
    // the configuration is shown as it is written, and by Alertmanager with its defaults: that amtool can use it is looked at
    if (command.keep) writeFileSync(side.shown, said.stdout);
    if (command.keep || command.verdict) return { status: said.status, stderr: said.stderr };
    const [stdout, stderr] = [normal(side, said.stdout), normal(side, said.stderr)];
    return { status: said.status, stdout: command.unordered ? stdout.split('\n').map((line) => line.replace(/<silence \d+>/, '')).sort() : stdout, stderr };
  });
  compare(command.words.join(' '), answers);
}
compare('config routes test, of the shown and of the written configuration', [configuration, sides[1].shown].map((file) =>
  ['team=a', 'team=b', 'severity=page', 'severity=page cluster=eu service=x', 'x=y'].map((labels) => run(sides[1], { words: ['config', 'routes', 'test', `--config.file=${file}`, ...labels.split(' ')], alone: true }).stdout),
));
rmSync(folder, { recursive: true });
console.log(`${equal + differ} commands of amtool, ${equal} equal outputs, ${differ} differ`);
process.exit(differ ? 1 : 0);
