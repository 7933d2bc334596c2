/**
 * Alerts, silences, notifications, rules and objectives, on a quiet system: Watchdog fires always, and nothing else has to.
 */
import type { Page } from '@playwright/test';
import { baseUrl, expect, shoot, test } from './fixture';

const deadlineMs = 90_000;

/** Rules are evaluated every half minute: the first firing of Watchdog may be a while away. */
async function watchdog(page: Page) {
  const row = page.locator('.alert', { has: page.getByRole('button', { name: 'Watchdog', exact: true }) });
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh', exact: true }).click();
    await expect(row.locator('.alert-head .state').first()).toHaveText(/firing|silenced/, { timeout: 2_000 });
  }).toPass({ timeout: deadlineMs });
  return row;
}

test('a firing alert opens to its text, its graph, its rule and its runbook', async ({ page }) => {
  await page.goto('/alerts');
  const row = await watchdog(page);
  const name = row.getByRole('button', { name: 'Watchdog', exact: true });
  await name.focus();
  await page.keyboard.press('Enter');
  await expect(name).toHaveAttribute('aria-expanded', 'true');
  await expect(row.locator('.alert-body')).toContainText('vector(1)');
  await expect(row.locator('.alert-chart canvas')).toBeVisible();
  await expect(row.locator('.alert-body .label', { hasText: 'alertname=Watchdog' })).toBeVisible();
  await shoot(page, 'alert-open');
  const address = page.url();
  expect(new URL(address).searchParams.get('open')).toMatch(/^[0-9a-f]{16}$/);
  await page.goto(address);
  await expect(page.locator('.alert-body')).toContainText('vector(1)');
  await page.locator('.alert', { hasText: 'Watchdog' }).first().getByRole('link', { name: 'Runbook' }).click();
  await expect(page.getByRole('heading', { name: 'Runbook of Watchdog' })).toBeVisible();
  await expect(page.locator('.runbook, .notice').first()).toBeVisible();
});

test('alerts are filtered by state, severity and labels, in the address', async ({ page }) => {
  await page.goto('/alerts');
  await watchdog(page);
  await page.getByLabel('Filter alerts').fill('alertname=Watchdog');
  await expect(page.locator('.alert')).toHaveCount(1);
  await expect(page).toHaveURL(/q=alertname/);
  await page.getByLabel('Filter alerts').fill('alertname!=Watchdog');
  await expect(page.locator('.alert', { has: page.getByRole('button', { name: 'Watchdog', exact: true }) })).toHaveCount(0);
  await page.getByLabel('Filter alerts').fill('');
  await page.getByRole('group', { name: 'Filter by state' }).getByRole('button', { name: /^Inactive/ }).click();
  await expect(page.locator('.alert-inactive').first()).toBeVisible();
  await shoot(page, 'alerts-inactive');
});

test('an inactive rule shows what it measures and its threshold', async ({ page }) => {
  await page.goto('/alerts?state=inactive');
  await page.locator('.alert-inactive .alert-name').first().click();
  const body = page.locator('.alert-body').first();
  await expect(body.locator('.chart-parts')).toBeVisible();
  await expect(body.locator('.alert-query')).not.toBeEmpty();
});

test('a silence is made from an alert, shown, changed and expired', async ({ page }) => {
  const comment = `test of the page ${Date.now()}`;
  await page.goto('/alerts?q=alertname%3DWatchdog');
  const row = await watchdog(page);
  await expect(row.getByRole('button', { name: 'Silence Watchdog' })).toBeVisible();
  await row.getByRole('button', { name: 'Silence Watchdog' }).click();
  const form = page.getByRole('dialog', { name: 'New silence' });
  await expect(form.getByLabel('Label').first()).toHaveValue('alertname');
  await expect(form.getByLabel('Value').first()).toHaveValue('Watchdog');
  await expect(form.getByRole('region', { name: 'Alerts that it silences' })).toContainText(/Silences (one alert|\d+ alerts)/, { timeout: deadlineMs });
  await form.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(form.getByRole('alert')).toBeVisible();
  await form.getByLabel('Comment').fill(comment);
  await form.getByLabel('Created by').fill('page test');
  await form.getByRole('button', { name: '30m' }).click();
  await shoot(page, 'silence-form');
  await form.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(form).toBeHidden();
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh', exact: true }).click();
    await expect(row.locator('.alert-head .state').first()).toHaveText('silenced', { timeout: 1_000 });
  }).toPass({ timeout: 30_000 });

  await page.goto('/alerts/silences');
  const silence = page.getByRole('listitem', { name: comment });
  await expect(silence).toContainText('Watchdog');
  await expect(silence).toContainText('page test');
  await shoot(page, 'silences');
  await silence.getByRole('button', { name: 'Edit' }).click();
  const edit = page.getByRole('dialog', { name: 'Change the silence' });
  await edit.getByLabel('Comment').fill(`${comment} changed`);
  await edit.getByRole('button', { name: 'Change', exact: true }).click();
  await expect(edit).toBeHidden();
  const changed = page.getByRole('listitem', { name: `${comment} changed` });
  await expect(changed).toBeVisible();
  await changed.getByRole('button', { name: 'Expire' }).click();
  await changed.getByRole('button', { name: 'Yes, expire' }).click();
  await expect(async () => {
    await page.goto('/alerts/silences?state=expired');
    await expect(page.getByRole('listitem', { name: `${comment} changed` })).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 30_000 });
});

test('a silence that Alertmanager cannot accept says why and stays open', async ({ page }) => {
  await page.goto('/alerts/silences?new');
  const form = page.getByRole('dialog', { name: 'New silence' });
  await form.getByLabel('Label').fill('job');
  await form.getByLabel('Value').fill('x');
  await form.getByLabel('Comment').fill('why');
  await form.getByLabel('Created by').fill('page test');
  await form.getByLabel('Duration or end').fill('yesterday');
  await form.getByRole('button', { name: 'Silence', exact: true }).click();
  await expect(form.getByRole('alert')).toContainText('neither a duration');
  await page.keyboard.press('Escape');
  await expect(form).toBeHidden();
  expect(new URL(page.url()).searchParams.has('new')).toBe(false);
});

test('the groups and the notifications show what is there, or say that there is nothing', async ({ page }) => {
  for (const [path, name] of [['/alerts/groups', 'Groups'], ['/alerts/notifications', 'Notifications']] as const) {
    await page.goto(path);
    await expect(page.getByRole('heading', { name, exact: true })).toBeVisible();
    await expect(page.locator('.card, .empty, .notice').first()).toBeVisible();
    await expect(page.locator('.notice.error')).toHaveCount(0);
    await shoot(page, name.toLowerCase());
  }
});

test('the rules say how each is doing and lead to explore', async ({ page }) => {
  await page.goto('/alerts/rules');
  await expect(page.locator('.rule-group').first()).toBeVisible();
  await page.getByLabel('Filter rules').fill('Watchdog');
  const rule = page.locator('.rules-table tbody tr', { hasText: 'Watchdog' }).first();
  await expect(rule).toContainText('vector(1)');
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh', exact: true }).click();
    await expect(rule.locator('.state')).toHaveText('firing', { timeout: 1_000 });
  }).toPass({ timeout: deadlineMs });
  await shoot(page, 'rules');
  await rule.getByTitle('Open in explore').click();
  await expect(page.getByRole('textbox', { name: 'PromQL expression A' })).toContainText('vector(1)');
});

test('no rule of the product fails', async ({ page }) => {
  await page.goto('/alerts/rules');
  await expect(page.locator('.rule-group').first()).toBeVisible();
  const { data } = (await (await fetch(`${baseUrl()}/api/v1/status/buildinfo`)).json()) as { data: { version: string } };
  test.skip(data.version.endsWith('-mock'), 'the mock shows a failing rule on purpose');
  await expect(page.getByRole('group', { name: 'Filter by kind' }).getByRole('button', { name: /^failing/ })).toHaveText(/failing\s*0/);
});

test('the objectives show their budget, or that nothing was measured', async ({ page }) => {
  await page.goto('/slos?from=now-1h&to=now');
  const cards = page.locator('.slo');
  await expect(cards.or(page.locator('.notice')).first()).toBeVisible();
  const { slos } = (await (await fetch(`${baseUrl()}/api/tidewatch/v1/slos`)).json()) as { slos: { name: string }[] };
  await expect(cards).toHaveCount(slos.length);
  for (const { name } of slos) {
    const card = page.getByRole('region', { name, exact: true });
    await expect(card.locator('.card-head .state')).toHaveText(/no data|no traffic|kept|burning|budget spent/);
    await expect(card.locator('.slo-number').first()).toContainText('%');
  }
  await shoot(page, 'slos');
});

test("an alert's source of a notification leads to explore", async ({ page }) => {
  await page.goto('/graph?g0.expr=up&g0.tab=1');
  await expect(page.getByRole('textbox', { name: 'PromQL expression A' })).toContainText('up');
  expect(new URL(page.url()).pathname).toBe('/explore');
});

test('the alerts of a dashboard can be switched off', async ({ page }) => {
  await page.goto('/d/todo-app-production');
  const toggle = page.getByRole('switch', { name: 'Alerts' });
  await expect(toggle).toBeChecked();
  await toggle.uncheck();
  await expect(page).toHaveURL(/alerts=off/);
});

test('no page of alerts is wider than a small window', async ({ page }) => {
  await page.setViewportSize({ width: 400, height: 800 });
  for (const path of ['/alerts', '/alerts?state=inactive', '/alerts/groups', '/alerts/silences', '/alerts/notifications', '/alerts/rules', '/slos', '/runbooks/Watchdog']) {
    await page.goto(path);
    await expect(page.locator('.card, .alert, .empty, .notice').first()).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(400);
  }
});
