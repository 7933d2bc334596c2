import type { APIRequestContext, Page } from '@playwright/test';
import { dashboards, expect, scrollThrough, shoot, test } from './fixture';

const panels = (page: Page) => page.locator('section.panel');
const charts = (page: Page) => page.locator('section.panel .chart .u-over');

async function openDashboard(page: Page, uid: string, parameters = ''): Promise<void> {
  await page.goto(`/d/${uid}${parameters}`);
  await expect(panels(page).first()).toBeVisible();
  await expect(page.locator('section.panel[data-state="loading"]')).toHaveCount(0);
}

/** The first dashboard with at least two charts in view; over a short time, since the product may have been started just now. */
async function openCharts(page: Page): Promise<void> {
  const all = await dashboards();
  await expect(async () => {
    for (const { uid } of all) {
      await openDashboard(page, uid, '?from=now-5m&to=now');
      if ((await charts(page).count()) >= 2) return;
    }
    throw new Error('no dashboard shows two time series');
  }).toPass({ timeout: 90_000 });
}

test('the list has every dashboard and opens one', async ({ page }) => {
  await page.goto('/dashboards');
  const all = await dashboards();
  expect(all.length).toBeGreaterThanOrEqual(2);
  for (const { title } of all) await expect(page.getByRole('link', { name: title })).toBeVisible();
  await page.getByRole('link', { name: all[0]?.title }).click();
  await expect(page.getByRole('heading', { level: 1, name: all[0]?.title })).toBeVisible();
  await expect(panels(page).first()).toBeVisible();
});

/** Tasks in a burst: rates need requests between two scrapes, and a sidecar counts only the latencies that take a millisecond. */
async function burst(request: APIRequestContext): Promise<void> {
  const backend = process.env.TIDEWATCH_BACKEND;
  if (!backend) return;
  const add = (at: number) => request.post(`${backend}/api/tasks`, { data: { title: `burst ${at}` } }).catch(() => undefined);
  await Promise.all(Array.from({ length: 40 }, (_, at) => add(at)));
}

test('every panel of every dashboard has data', async ({ page, request }) => {
  // each dashboard may need two more scrapes
  test.setTimeout(600_000);
  for (const { uid, title } of await dashboards()) {
    await openDashboard(page, uid);
    for (const row of await page.locator('.row-title button.closed').all()) await row.click();
    await expect(async () => {
      await burst(request);
      await page.getByRole('button', { name: 'Refresh', exact: true }).click();
      await scrollThrough(page);
      await expect(page.locator('section.panel[data-state="loading"]')).toHaveCount(0);
      const empty = page.locator('section.panel', { has: page.locator('.no-data, .panel-message') });
      const names = await empty.evaluateAll((all) => all.map((panel) => `${panel.getAttribute('aria-label')}: ${panel.querySelector('.panel-body')?.textContent}`));
      expect(names, `${title}: panels without data`).toEqual([]);
    }).toPass({ timeout: 150_000 });
    await shoot(page, `dashboard-${uid}-dark`);
    await page.getByRole('button', { name: 'Use the light theme' }).click();
    await shoot(page, `dashboard-${uid}-light`);
    await page.getByRole('button', { name: 'Use the dark theme' }).click();
  }
});

test('a drag over a chart sets the time range, zooming out widens it', async ({ page }) => {
  await openCharts(page);
  const box = await charts(page).first().boundingBox();
  if (!box) throw new Error('the chart has no size');
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.3, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, y, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/from=\d+&to=\d+/);
  const span = () => {
    const { searchParams } = new URL(page.url());
    return Number(searchParams.get('to')) - Number(searchParams.get('from'));
  };
  const zoomed = span();
  expect(zoomed).toBeGreaterThan(30_000);
  await page.getByRole('button', { name: 'Zoom out' }).click();
  expect(span()).toBeCloseTo(2 * zoomed, -2);
});

test('charts share the crosshair and show a tooltip', async ({ page }) => {
  await openCharts(page);
  const box = await charts(page).first().boundingBox();
  if (!box) throw new Error('the chart has no size');
  // samples may only be at the right end: look there for a place that has some
  for (let share = 0.99; share > 0.05 && (await page.locator('.tip:visible').count()) === 0; share -= 0.01) {
    await page.mouse.move(box.x + box.width * share, box.y + box.height / 2);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  const lines = page.locator('section.panel .chart .u-cursor-x');
  const shown = () => lines.evaluateAll((all) => all.filter((line) => !line.classList.contains('u-off') && new DOMMatrix(getComputedStyle(line).transform).e > 0).length);
  await expect.poll(shown).toBeGreaterThanOrEqual(2);
  await expect(page.locator('.tip:visible')).toHaveCount(1);
  await expect(page.locator('.tip:visible .tip-row').first()).toBeVisible();
  await shoot(page, 'crosshair');
  await page.mouse.move(2, 2);
  await expect(page.locator('.tip:visible')).toHaveCount(0);
});

test('a click on the legend shows one series alone', async ({ page }) => {
  await openCharts(page);
  const legend = page.locator('section.panel .legend', { has: page.locator('.legend-name').nth(1) }).first();
  await legend.locator('.legend-name').nth(0).click();
  await expect(legend.locator('.legend-name.off')).toHaveCount((await legend.locator('.legend-name').count()) - 1);
  await legend.locator('.legend-name').nth(0).click();
  await expect(legend.locator('.legend-name.off')).toHaveCount(0);
});

test('a variable is chosen, kept in the address and used by the panels', async ({ page }) => {
  for (const { uid } of await dashboards()) {
    await openDashboard(page, uid);
    if ((await page.locator('.variable-picker').count()) > 0) break;
  }
  const picker = page.locator('.variable-picker').last();
  await picker.getByRole('button').first().click();
  const options = picker.getByRole('option');
  await expect(options.first()).toBeVisible();
  const name = (await options.last().textContent()) ?? '';
  const plain = (body: string | null) => decodeURIComponent(body ?? '').replaceAll('\\', '');
  const asked = page.waitForRequest((request) => request.url().includes('/api/v1/query') && plain(request.postData()).includes(name), { timeout: 15_000 });
  await options.last().getByRole('button').click();
  await asked;
  expect([...new URL(page.url()).searchParams].some(([key, value]) => key.startsWith('var-') && value === name)).toBe(true);
});

test('the drawn dashboard leaves a performance mark', async ({ page }, info) => {
  await openCharts(page);
  await page.waitForFunction(() => performance.getEntriesByName('dashboard-drawn').length > 0);
  const drawn = await page.evaluate(() => performance.getEntriesByName('dashboard-drawn')[0]?.startTime);
  info.annotations.push({ type: 'dashboard drawn', description: `${drawn?.toFixed(0)} ms` });
  expect(drawn).toBeGreaterThan(0);
});
