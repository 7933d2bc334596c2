import { expect, shoot, test } from './fixture';

test('the overview shows the workloads and their running pods', async ({ page }) => {
  await page.goto('/');
  for (const name of ['todo-backend', 'todo-frontend', 'event-service']) {
    const workload = page.locator('section', { has: page.getByRole('heading', { name: 'Workloads' }) }).getByRole('row', { name });
    await expect(workload.first()).toBeVisible();
  }
  const pods = page.locator('tbody tr.clickable');
  await expect(pods.first()).toBeVisible();
  await expect(async () => {
    const states = await page.locator('tbody tr.clickable .state').allTextContents();
    expect(states.length).toBeGreaterThanOrEqual(3);
    expect(new Set(states)).toEqual(new Set(['Running']));
  }).toPass({ timeout: 60_000 });
  await shoot(page, 'overview-dark');
});

test('a pod opens with its charts and its log, and closes with Escape', async ({ page }) => {
  await page.goto('/');
  await page.locator('tbody tr.clickable', { hasText: 'todo-backend' }).first().getByRole('button').click();
  const drawer = page.getByRole('dialog', { name: /^Pod todo-backend/ });
  await expect(drawer.locator('.log pre')).not.toBeEmpty();
  await expect(drawer.locator('.chart canvas')).toHaveCount(2);
  await shoot(page, 'pod');
  await page.keyboard.press('Escape');
  await expect(drawer).toBeHidden();
  expect(new URL(page.url()).searchParams.has('pod')).toBe(false);
});

test('all targets are up, and can be filtered', async ({ page }) => {
  await page.goto('/targets');
  const states = page.locator('.targets-table .state');
  await expect(states.first()).toBeVisible();
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh', exact: true }).click();
    expect(new Set(await states.allTextContents())).toEqual(new Set(['up']));
  }).toPass({ timeout: 60_000 });
  const all = await states.count();
  await page.getByLabel('Filter targets').fill('todo-backend');
  expect(await states.count()).toBeLessThan(all);
  expect(await states.count()).toBeGreaterThan(0);
  await page.getByLabel('Discovered labels').check();
  await expect(page.locator('.labels.muted').first()).toBeVisible();
  await shoot(page, 'targets');
});

test('the theme can be changed and is remembered', async ({ page }) => {
  await page.goto('/');
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  expect(await theme()).toBe('dark');
  await page.getByRole('button', { name: 'Use the light theme' }).click();
  expect(await theme()).toBe('light');
  await expect(page.locator('tbody tr.clickable').first()).toBeVisible();
  await shoot(page, 'overview-light');
  await page.reload();
  expect(await theme()).toBe('light');
});

test('explore completes, runs and shows graph and table', async ({ page }) => {
  await page.goto('/explore');
  const editor = page.getByRole('textbox', { name: 'PromQL expression A' });
  await editor.click();
  await editor.pressSequentially('http_requests_t', { delay: 30 });
  const completion = page.locator('.cm-tooltip-autocomplete');
  const wanted = completion.getByText('http_requests_total', { exact: true });
  await expect(wanted).toBeVisible();
  await shoot(page, 'explore-completion');
  await wanted.click();
  await expect(editor).toHaveText('http_requests_total');
  await page.keyboard.press('Shift+Enter');
  await expect(page.locator('.explore-graph .chart canvas')).toBeVisible();
  await expect(page.locator('.explore-graph .legend-name').first()).toContainText('http_requests_total');
  await shoot(page, 'explore-graph');
  await page.getByRole('tab', { name: 'Table' }).click();
  await expect(page.locator('.result-table tbody tr').first()).toContainText('http_requests_total{');
  expect(new URL(page.url()).searchParams.get('q')).toBe('http_requests_total');
  await page.getByRole('button', { name: 'History' }).click();
  await expect(page.getByRole('dialog', { name: 'History' })).toContainText('http_requests_total');
});

test('the metrics browser describes and inserts metrics', async ({ page }) => {
  await page.goto('/explore');
  await expect(page.getByRole('textbox', { name: 'PromQL expression A' })).toBeVisible();
  await page.getByRole('button', { name: 'Metrics' }).click();
  await page.getByLabel('Filter metrics').fill('http_requests_total');
  await page.locator('.metric-item', { hasText: 'counter' }).first().click();
  await expect(page.getByRole('textbox', { name: 'PromQL expression A' })).toContainText('http_requests_total');
});

test('a range is chosen in the picker and kept in the address', async ({ page }) => {
  await page.goto('/explore');
  await page.getByRole('button', { name: 'Time range' }).click();
  await page.getByRole('button', { name: 'Last 6 hours' }).click();
  expect(new URL(page.url()).searchParams.get('from')).toBe('now-6h');
  await expect(page.getByRole('button', { name: 'Time range' })).toContainText('Last 6 hours');
  await page.goBack();
  await expect(page.getByRole('button', { name: 'Time range' })).toContainText('Last 1 hour');
});

test('a range that cannot be shown leaves the address', async ({ page }) => {
  for (const range of ['from=garbage&to=now', 'from=now&to=now-1h']) {
    await page.goto(`/explore?${range}`);
    await expect(page.getByRole('button', { name: 'Time range' })).toContainText('Last 1 hour');
    await expect(page).toHaveURL(/\/explore$/);
  }
});

test('no page is wider than a small window', async ({ page }) => {
  await page.setViewportSize({ width: 420, height: 800 });
  for (const path of ['/', '/targets', '/dashboards', '/d/todo-app-production', '/explore?q=up&view=table']) {
    await page.goto(path);
    await expect(page.locator('.card, .panel').first()).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(420);
  }
});

test('a value that no graph can show is named', async ({ page }) => {
  await page.goto(`/explore?q=${encodeURIComponent('1/0')}`);
  await expect(page.locator('.explore-graph')).toContainText('+Inf');
});

test('an unknown address says so', async ({ page }) => {
  await page.goto('/nowhere');
  await expect(page.getByRole('heading', { name: 'There is no page at /nowhere' })).toBeVisible();
});
