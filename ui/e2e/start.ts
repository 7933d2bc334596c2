/**
 * Starts the product for the end-to-end tests when TIDEWATCH_URL does not name one: `tidewatch up` on free ports with a temporary data directory, and
 * requests to the application until their rates can be asked for. Output: TIDEWATCH_URL for the tests. Everything is stopped and removed after.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const startDeadlineMs = 60_000;
const dataDeadlineMs = 180_000;

interface Addresses {
  ui: string;
  services?: Record<string, string>;
}

function binary(): string {
  const candidates = [process.env.TIDEWATCH_BIN, join(repository, 'target/release/tidewatch'), join(repository, 'target/debug/tidewatch')];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) {
    throw new Error('no tidewatch binary under target/\nhint: cargo build --release, or set TIDEWATCH_URL, for example to the mock (npm run mock)');
  }
  return found;
}

/** Calls `attempt` until it gives a value. */
async function until<T>(what: () => string, deadlineMs: number, attempt: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await attempt();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`${what()}: not within ${deadlineMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function start(dataDir: string): ChildProcess {
  const anyPort = '127.0.0.1:0';
  const flags = ['--ui-listen-address', anyPort, '--web.listen-address', anyPort, '--alertmanager.web.listen-address', anyPort, '--otlp.grpc.listen-address', anyPort, '--otlp.http.listen-address', anyPort, '--jaeger.web.listen-address', anyPort, '--jaeger.sampling.listen-address', anyPort, '--expose', 'todo-backend=0', '--expose', 'todo-frontend=0'];
  return spawn(binary(), ['up', '--data-dir', dataDir, ...flags], { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
}

/** Creates a task and lists all, unless the application is not there; why it did not work where it did not. */
async function useApplication(addresses: Addresses): Promise<string | undefined> {
  const backend = addresses.services?.['todo-backend'];
  if (!backend) return undefined;
  try {
    const body = JSON.stringify({ title: 'a task of the tests' });
    const created = await fetch(`${backend}/api/tasks`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (!created.ok) return `the backend answered ${created.status} to a new task: ${await created.text()}`;
    await fetch(`${backend}/api/tasks`);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** Whether an instant query gives anything. */
async function holds(ui: string, expression: string): Promise<true | undefined> {
  try {
    const answer = await fetch(`${ui}/api/v1/query?query=${encodeURIComponent(expression)}`);
    const body = (await answer.json()) as { data?: { result?: unknown[] } };
    return body.data?.result?.length ? true : undefined;
  } catch {
    return undefined;
  }
}

export default async function globalSetup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TIDEWATCH_URL) return undefined;
  const dataDir = mkdtempSync(join(tmpdir(), 'tidewatch-ui-test-'));
  const child = start(dataDir);
  const tearDown = async () => {
    await stop(child);
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    const file = join(dataDir, 'addresses.json');
    const addresses = await until(() => 'addresses.json', startDeadlineMs, () => {
      if (child.exitCode !== null) throw new Error(`tidewatch up ended with status ${child.exitCode}`);
      return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Addresses) : undefined;
    });
    process.env.TIDEWATCH_URL = addresses.ui;
    process.env.TIDEWATCH_BACKEND = addresses.services?.['todo-backend'] ?? '';
    // a rate needs a scrape before some request and one after it, and nobody knows when a pod is scraped first: requests go on until both have been
    for (const metric of ['tasks_created_total', 'events_consumed_total']) {
      let refused: string | undefined;
      await until(() => `a rate of ${metric}${refused ? ` (${refused})` : ''}`, dataDeadlineMs, async () => {
        refused = await useApplication(addresses);
        return holds(addresses.ui, `sum(rate(${metric}[2m])) > 0`);
      });
    }
    return tearDown;
  } catch (error) {
    await tearDown();
    throw error;
  }
}
