/** The scaling page, the simulator, and scalings in dashboards. Nothing here waits for a scaling: decisions come with every sync, simulations at once. */
import { expect, shoot, test } from './fixture';
import type { Page } from '@playwright/test';

const simulated = (page: Page) => page.waitForResponse((response) => response.url().endsWith('/api/tidewatch/v1/simulation') && response.ok());

test('every autoscaler shows its metrics, its limits and a decision with its reason', async ({ page }) => {
  await page.goto('/scaling');
  const cards = page.locator('section.hpa');
  await expect(cards).toHaveCount(3);
  for (const name of ['todo-backend', 'todo-frontend', 'event-service']) {
    const card = cards.filter({ hasText: `Deployment/${name} in todo-app-prod` });
    await expect(card.locator('.hpa-replicas')).toContainText(/replicas, \d+ to \d+/);
    await expect(card.locator('.hpa-metrics li').first()).toContainText('/');
    // the first sync is at most a sync period away
    await expect(card.locator('.decision .sentence').first()).not.toBeEmpty({ timeout: 40_000 });
    await expect(card.locator('.conditions li').first()).toContainText('AbleToScale', { timeout: 40_000 });
    await expect(card.locator('.scaling-chart').first()).toContainText('Replicas');
  }
  await expect(cards.first().locator('.chart canvas').first()).toBeVisible({ timeout: 40_000 });
  await shoot(page, 'scaling-dark');
});

test('a decision opens with its steps, by keyboard, and the list can be narrowed to changes', async ({ page }) => {
  await page.goto('/scaling?workload=todo-app-prod%2Ftodo-backend');
  await expect(page.locator('section.hpa')).toHaveCount(1);
  await expect(page.locator('.decision').first()).toBeVisible({ timeout: 40_000 });
  // a newer one may come before it while it is looked at
  const taken = await page.locator('.decision time').first().getAttribute('datetime');
  const decision = page.locator('.decision', { has: page.locator(`time[datetime="${taken}"]`) });
  const summary = decision.getByRole('button');
  await summary.focus();
  await page.keyboard.press('Enter');
  await expect(summary).toHaveAttribute('aria-expanded', 'true');
  await expect(decision.locator('.steps')).toBeVisible();
  await shoot(page, 'scaling-steps');
  await page.getByLabel('Only changes').check();
  expect(new URL(page.url()).searchParams.get('decisions')).toBe('changes');
  await expect(async () => {
    const unchanged = await page.locator('.decision .change-same').count();
    expect(unchanged).toBe(0);
  }).toPass();
  await page.getByRole('button', { name: /show all/ }).click();
  await expect(page.locator('section.hpa')).toHaveCount(3);
});

test('the overview leads to the autoscaler of a workload', async ({ page }) => {
  await page.goto('/');
  const link = page.getByRole('link', { name: /^Scaling of todo-backend/ });
  await expect(link).toHaveText(/^\d+ \/ \d+$/);
  await link.click();
  await expect(page.locator('section.hpa h2')).toHaveCount(1);
  await page.locator('section.hpa').getByRole('link', { name: 'pods' }).click();
  await expect(page.getByLabel('Filter pods')).toHaveValue('todo-backend');
});

test('the simulator answers to a slider and keeps it in the address', async ({ page }) => {
  await page.goto('/scaling/simulate?hpa=todo-app-prod%2Ftodo-backend-hpa');
  await expect(page.getByRole('region', { name: 'Verdict' })).toContainText('targets');
  await expect(page.locator('.simulation-charts .chart canvas')).toHaveCount(4);
  await shoot(page, 'simulate-dark');
  const slider = page.getByRole('slider', { name: 'Max replicas' });
  await slider.focus();
  const answered = simulated(page);
  await page.keyboard.press('ArrowLeft');
  const report = (await (await answered).json()) as { autoscaler: { maxReplicas: number } };
  expect(report.autoscaler.maxReplicas).toBe(9);
  await expect(slider).toHaveAttribute('aria-valuetext', '9');
  await expect(page).toHaveURL(/[?&]max=9/);
  await expect(page.locator('.result-yaml pre')).toContainText('maxReplicas: 9');
  await page.reload();
  await expect(page.getByRole('slider', { name: 'Max replicas' })).toHaveAttribute('aria-valuetext', '9');
  await page.getByRole('button', { name: /^Max replicas: back to/ }).click();
  await expect(page).not.toHaveURL(/max=/);
});

test('a longer stabilisation makes scaling down slower, and the verdict says so', async ({ page }) => {
  await page.goto('/scaling/simulate?hpa=todo-app-prod%2Ftodo-backend-hpa');
  const verdict = page.getByRole('region', { name: 'Verdict' });
  await expect(verdict).toContainText('down within');
  const field = page.getByLabel('Stabilisation down, exactly');
  await field.fill('1800');
  const answered = simulated(page);
  await field.press('Enter');
  const report = (await (await answered).json()) as { verdict: { passed: boolean } };
  expect(report.verdict.passed).toBe(false);
  await expect(verdict).toContainText('Misses the targets');
  await expect(page.locator('.result-yaml pre')).toContainText('stabilizationWindowSeconds: 1800');
});

test('loads are chosen and edited', async ({ page }) => {
  await page.goto('/scaling/simulate');
  await expect(page.locator('.segment-list li')).toHaveCount(3);
  for (const [preset, segments] of [['Spikes', 7], ['A day', 1], ['Ramp', 4]] as const) {
    const answered = simulated(page);
    await page.getByRole('button', { name: preset, exact: true }).click();
    await answered;
    await expect(page.locator('.segment-list li')).toHaveCount(segments);
    await expect(page.getByRole('region', { name: 'Timeline' }).locator('.chart canvas').first()).toBeVisible();
  }
  await page.getByLabel('Segment 1, seconds').fill('240');
  await expect(page).toHaveURL(/load=c[\d.]+x240/);
  await page.getByRole('button', { name: 'Add a segment' }).click();
  await expect(page.locator('.segment-list li')).toHaveCount(5);
});

test('pasted YAML is simulated, and what is wrong with it is said', async ({ page, problems }) => {
  await page.goto('/scaling/simulate');
  await page.getByLabel('Autoscaler', { exact: true }).selectOption({ label: 'Pasted YAML' });
  const text = page.getByLabel(/^YAML of the autoscaler/);
  await expect(page.locator('.result-yaml pre')).toContainText('name: web');
  const yaml = await text.inputValue();
  await text.fill(yaml.replace('maxReplicas: 10', 'maxReplicas: 1'));
  await expect(page.getByRole('alert')).toContainText(/maxReplicas|minReplicas/);
  await text.fill(yaml.replace('kind: HorizontalPodAutoscaler', 'kind: Nothing'));
  await expect(page.getByRole('alert').first()).toContainText('no HorizontalPodAutoscaler');
  await text.fill(yaml.replace('maxReplicas: 10', 'maxReplicas: 6'));
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(page.getByRole('slider', { name: 'Max replicas' })).toHaveAttribute('aria-valuetext', '6');
  // the refusal of the impossible one is an error response
  problems.splice(0, problems.length, ...problems.filter((problem) => !problem.includes('/api/tidewatch/v1/simulation')));
});

test('scalings are lines in the dashboards, which can be switched off', async ({ page }) => {
  const to = Date.now();
  const scaling = { id: 1, time: to - 10 * 60_000, text: 'todo-backend: 2 → 4 replicas: CPU asks for 4', tags: ['scaling', 'todo-app-prod', 'todo-backend'] };
  // the product has not scaled yet
  await page.route(/\/api\/annotations\?/, (route) => route.fulfill({ json: [scaling] }));
  await page.goto(`/d/todo-app-production?from=${to - 1_800_000}&to=${to}`);
  const marks = page.locator('.annotation-mark');
  await expect(marks.first()).toBeVisible();
  await marks.first().hover();
  await expect(page.locator('.tip:visible')).toContainText('todo-backend: 2 → 4 replicas');
  await shoot(page, 'dashboard-scalings');
  await page.getByLabel('Scalings').uncheck();
  await expect(marks).toHaveCount(0);
  expect(new URL(page.url()).searchParams.get('scalings')).toBe('off');
  await page.getByLabel('Scalings').check();
  await marks.first().click();
  await expect(page).toHaveURL(/\/scaling\?workload=todo-app-prod%2Ftodo-backend$/);
});

test('neither page is wider than a small window, in either theme', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ['/scaling', '/scaling/simulate']) {
    await page.goto(path);
    await expect(page.locator('.decision, .simulation-charts canvas').first()).toBeVisible({ timeout: 40_000 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(390);
    await shoot(page, `${path.slice(1).replace('/', '-')}-narrow`);
  }
  await page.setViewportSize({ width: 1600, height: 1000 });
  await page.getByRole('button', { name: 'Use the light theme' }).click();
  await shoot(page, 'simulate-light');
});
