/**
 * Trace pages against the product: a task is added through the application, so that there are traces; where the application cannot be reached (the mock), the
 * traces that are there are used. Waits for what arrives late: spans, and the series made of them.
 */
import { type APIRequestContext, type Page } from '@playwright/test';
import { baseUrl, expect, shoot, test } from './fixture';

interface FoundTrace {
  traceID: string;
  spans: { spanID: string; operationName: string; processID: string; references: unknown[] }[];
  processes: Record<string, { serviceName: string }>;
}

const arrival = { timeout: 90_000, intervals: [500, 1000, 2000] };

async function search(request: APIRequestContext, service: string, limit = 200): Promise<FoundTrace[]> {
  const now = Date.now() * 1000;
  const answer = await request.get(`${baseUrl()}/api/traces?service=${service}&start=${now - 3600e6}&end=${now}&limit=${limit}`);
  return ((await answer.json()) as { data: FoundTrace[] | null }).data ?? [];
}

const servicesOf = (trace: FoundTrace) => new Set(trace.spans.map((s) => trace.processes[s.processID]?.serviceName));

/** The backend's address, where start.ts has started the product. */
const backend = () => process.env.TIDEWATCH_BACKEND;

/** A trace with spans of several services, which adding a task makes. */
async function fullestTrace(request: APIRequestContext): Promise<FoundTrace> {
  let best: FoundTrace | undefined;
  await expect(async () => {
    const address = backend();
    if (address) await request.post(`${address}/api/tasks`, { data: { title: 'traced' } });
    const found = await search(request, 'todo-backend');
    best = found.sort((a, b) => servicesOf(b).size - servicesOf(a).size || b.spans.length - a.spans.length)[0];
    expect(best?.spans.length ?? 0).toBeGreaterThan(2);
    expect(servicesOf(best as FoundTrace).size).toBeGreaterThan(1);
  }).toPass(arrival);
  return best as FoundTrace;
}

const rows = (page: Page) => page.locator('.span-row');

test('the search finds traces, and its fields are in the address', async ({ page, request }) => {
  await fullestTrace(request);
  await page.goto('/traces');
  await expect(page.locator('.result').first()).toBeVisible();
  await expect(page.locator('.scatter-point').first()).toBeVisible();
  await shoot(page, 'traces-dark');
  await page.getByLabel('Service', { exact: true }).selectOption('todo-backend');
  await expect(page).toHaveURL(/service=todo-backend/);
  await expect(page.locator('.result').first()).toBeVisible();
  const operations = page.getByLabel('Operation', { exact: true });
  await expect.poll(() => operations.locator('option').count()).toBeGreaterThan(1);
  await operations.selectOption({ index: 1 });
  await expect(page).toHaveURL(/operation=/);
  await page.getByLabel('Min duration').fill('1us');
  await page.getByLabel('Min duration').press('Enter');
  await expect(page).toHaveURL(/min=1us/);
  await page.getByLabel('Order').selectOption('longest');
  await expect(page.locator('.result').first()).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Min duration')).toHaveValue('1us');
  await expect(page.getByLabel('Service', { exact: true })).toHaveValue('todo-backend');
});

test('what is wrong with a field is said, and what finds nothing says what to do', async ({ page, request }) => {
  await fullestTrace(request);
  await page.goto('/traces?service=todo-backend');
  await page.getByLabel('Tags').fill('error');
  await expect(page.getByRole('alert')).toContainText('error=value');
  await page.getByLabel('Tags').fill('no.such.tag=1');
  await page.getByLabel('Tags').press('Enter');
  await expect(page.locator('.notice')).toContainText('a longer time range');
});

test('a point of the scatter opens its trace', async ({ page, request }) => {
  await fullestTrace(request);
  await page.goto('/traces?service=todo-backend');
  await page.locator('.scatter-point').last().click({ force: true });
  await expect(page).toHaveURL(/\/trace\/[0-9a-f]+/);
  await expect(rows(page).first()).toBeVisible();
});

test('a trace shows its spans, their details, and the critical path', async ({ page, request }) => {
  const trace = await fullestTrace(request);
  await page.goto(`/trace/${trace.traceID}`);
  await expect(rows(page)).toHaveCount(trace.spans.length);
  await expect(page.locator('.path-part').first()).toBeVisible();
  await expect(page.locator('.minimap canvas')).toBeVisible();
  await shoot(page, 'trace-dark');
  await rows(page).first().click();
  const details = page.locator('.span-details');
  await expect(details).toContainText('Attributes');
  await expect(details).toContainText('service.');
  await expect(page).toHaveURL(/span=/);
  await shoot(page, 'trace-details');
  // the address leads to the span again
  await page.reload();
  await expect(page.locator('.span-row.active')).toBeVisible();
  await expect(details).toBeVisible();
});

test('a trace is worked with by keys', async ({ page, request }) => {
  const trace = await fullestTrace(request);
  await page.goto(`/trace/${trace.traceID}`);
  await expect(rows(page)).toHaveCount(trace.spans.length);
  await page.keyboard.press('j');
  await expect(rows(page).first()).toHaveClass(/active/);
  await page.keyboard.press('h');
  await expect(rows(page).first()).toHaveAttribute('aria-expanded', 'false');
  expect(await rows(page).count()).toBeLessThan(trace.spans.length);
  await page.keyboard.press('l');
  await expect(rows(page)).toHaveCount(trace.spans.length);
  await page.keyboard.press('o');
  await expect(page.locator('.span-details')).toHaveCount(1);
  await page.keyboard.press('/');
  await page.keyboard.type(trace.spans[trace.spans.length - 1]?.operationName ?? '');
  await expect(page.locator('.span-row.matches').first()).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.locator('.span-row.active.matches')).toBeVisible();
});

test('two traces are compared', async ({ page, request }) => {
  await fullestTrace(request);
  await expect.poll(async () => (await search(request, 'todo-backend')).length, arrival).toBeGreaterThan(1);
  await page.goto('/traces?service=todo-backend');
  const boxes = page.locator('.result input[type=checkbox]');
  await boxes.nth(0).check();
  await boxes.nth(1).check();
  await page.getByRole('link', { name: /^Compare/ }).click();
  await expect(page).toHaveURL(/\/traces\/compare\?a=[0-9a-f]+&b=[0-9a-f]+/);
  await expect(page.locator('.diff-table tbody tr').first()).toBeVisible();
  await shoot(page, 'compare-dark');
  const before = new URL(page.url()).searchParams.get('a');
  await page.getByRole('button', { name: 'Swap' }).click();
  await expect(page).toHaveURL(new RegExp(`b=${before}`));
});

test('a trace is opened by its id', async ({ page, request }) => {
  const trace = await fullestTrace(request);
  await page.goto('/traces');
  const field = page.getByRole('searchbox', { name: 'Trace id' });
  await field.fill('not an id');
  await field.press('Enter');
  await expect(page.getByRole('alert')).toContainText('hexadecimal');
  await field.fill(trace.traceID.toUpperCase());
  await field.press('Enter');
  await expect(page).toHaveURL(`${baseUrl()}/trace/${trace.traceID}`);
});

test('an unknown trace says why it may be missing', async ({ page, problems }) => {
  await page.goto('/trace/00000000000000000000000000c0ffee');
  await expect(page.locator('.notice')).toContainText('sampled');
  // the browser reports the answer 404 by itself
  problems.splice(0, problems.length, ...problems.filter((problem) => !problem.includes('/api/traces/')));
});

test('the service graph shows who calls whom, and leads to traces', async ({ page, request }) => {
  await fullestTrace(request);
  await page.goto('/services');
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh', exact: true }).click();
    await expect(page.locator('.graph-node').first()).toBeVisible({ timeout: 2000 });
    await expect(page.locator('.graph-line').first()).toBeAttached({ timeout: 2000 });
  }).toPass({ timeout: 120_000 });
  await expect(page.locator('.graph-node', { hasText: 'todo-backend' })).toBeVisible();
  await shoot(page, 'services-dark');
  await page.locator('.graph-node', { hasText: 'todo-backend' }).click();
  await expect(page).toHaveURL(/\/traces\?service=todo-backend/);
});

test('exemplars of a chart lead to their traces', async ({ page, request }) => {
  await fullestTrace(request);
  const query = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))';
  await page.goto(`/explore?q=${encodeURIComponent(query)}`);
  const diamond = page.locator('.exemplar:not([hidden])');
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh', exact: true }).click();
    await expect(diamond.first()).toBeVisible({ timeout: 3000 });
  }).toPass({ timeout: 120_000 });
  await diamond.last().hover({ force: true });
  await expect(page.locator('.tip:not([hidden])')).toContainText('trace_id');
  await shoot(page, 'exemplars');
  const address = await diamond.last().getAttribute('href');
  expect(address).toMatch(/^\/trace\/[0-9a-f]+/);
  await diamond.last().click({ force: true });
  await expect(page).toHaveURL(/\/trace\/[0-9a-f]+/);
  await page.getByLabel('Find in the trace').or(page.locator('.notice')).first().waitFor();
});

test('a span leads to its pod, and a log line back to the trace', async ({ page, request }) => {
  const trace = await fullestTrace(request);
  await page.goto(`/trace/${trace.traceID}`);
  await expect(rows(page)).toHaveCount(trace.spans.length);
  await rows(page).filter({ hasText: 'todo-backend' }).first().click();
  const details = page.locator('.span-details');
  await expect(details.getByRole('link', { name: 'Metrics of the pod' })).toHaveAttribute('href', /\/explore\?q=.*pod%3D/);
  await details.getByRole('link', { name: 'Logs of this trace' }).click();
  const drawer = page.getByRole('dialog', { name: /^Pod / });
  await expect(drawer.getByLabel('Filter log lines')).toHaveValue(trace.traceID);
  await drawer.getByLabel('Filter log lines').fill('');
  await expect(drawer.locator('.log pre')).not.toBeEmpty();
  const back = drawer.locator('.log-trace').last();
  if ((await back.count()) > 0) {
    await back.click();
    await expect(page).toHaveURL(/\/trace\/[0-9a-f]+/);
  }
});

test('the trace pages fit small windows and the light theme', async ({ page, request }) => {
  const trace = await fullestTrace(request);
  await page.emulateMedia({ colorScheme: 'light' });
  for (const [name, path, ready] of [
    ['traces', '/traces?service=todo-backend', '.result'],
    ['trace', `/trace/${trace.traceID}`, '.span-row'],
    ['services', '/services', '.card, .notice'],
    ['compare', `/traces/compare?a=${trace.traceID}&b=${trace.traceID}`, '.diff-table'],
  ] as const) {
    await page.setViewportSize({ width: 1600, height: 1000 });
    await page.goto(path);
    await expect(page.locator(ready).first()).toBeVisible();
    await shoot(page, `${name}-light`);
    await page.setViewportSize({ width: 420, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(420);
  }
});
