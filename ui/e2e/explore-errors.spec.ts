import { expect, test as base } from '@playwright/test';
import { baseUrl } from './fixture';

// a refused query is an HTTP error, which the browser itself writes to the console: so these do not use the fixture
const test = base.extend({ baseURL: async ({}, use) => use(baseUrl()) });

test('explore shows the error of one query and the result of the other', async ({ page }) => {
  await page.goto(`/explore?q=${encodeURIComponent('sum(up')}&q=up&view=table`);
  await expect(page.getByRole('alert')).toContainText('parse error');
  await expect(page.locator('.result-table tbody tr').first()).toContainText('up{');
});

test('a dashboard that does not exist is named', async ({ page }) => {
  await page.goto('/d/no-such-dashboard');
  await expect(page.getByRole('alert')).toContainText('no-such-dashboard');
});
