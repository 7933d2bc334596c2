/** The tests' page: relative addresses, a place for screenshots, and a failure for every console error and content security policy violation. */
import { expect, test as base, type Page } from '@playwright/test';

export const baseUrl = (): string => (process.env.TIDEWATCH_URL ?? '').replace(/\/$/, '');

/** Answers that the page asks for and can do without. */
const optional = [/\/api\/v1\/namespaces\/[^/]+\/events/, /\/api\/v2\//, /\/api\/tidewatch\/v1\/notifications/, /\/user\/[^/]+\.md$/];

export const test = base.extend<{ problems: string[] }>({
  baseURL: async ({}, use) => use(baseUrl()),
  problems: [
    async ({ page }, use) => {
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() !== 'error') return;
        if (optional.some((path) => path.test(message.location().url))) return;
        problems.push(`console: ${message.text()} ${message.location().url}`);
      });
      await use(problems);
      expect(problems).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

export async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `test-results/screenshots/${name}.png` });
}

/** Dashboards of the product. Those tagged "mock" show errors and empty panels on purpose. */
export async function dashboards(): Promise<{ uid: string; title: string }[]> {
  const answer = await fetch(`${baseUrl()}/api/search?type=dash-db`);
  const hits = (await answer.json()) as { uid: string; title: string; tags?: string[] }[];
  return hits.filter((hit) => !hit.tags?.includes('mock'));
}

/** Scrolls through the page so that every panel has been near the viewport. */
export async function scrollThrough(page: Page): Promise<void> {
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  for (let y = 0; y < height; y += 600) {
    await page.evaluate((top) => window.scrollTo(0, top), y);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await page.evaluate(() => window.scrollTo(0, 0));
}
