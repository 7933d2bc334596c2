// Measures how long a dashboard takes from the start of the navigation until every visible panel is drawn, in headless Chromium.
// Usage: node scripts/measure.mjs <url of the dashboard> [runs]. Each run is a new browser context: nothing is cached, unless WARM=1 opens the page once before.
import { chromium } from '@playwright/test';

const [url, runs = '7'] = process.argv.slice(2);
if (!url) {
  console.error('usage: node scripts/measure.mjs <url of the dashboard> [runs]');
  process.exit(2);
}
const args = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'.split(' ');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
const results = [];

/** Leaves the page alone until it should be drawn: what Playwright runs inside it would count as the page's own time. */
async function open(page) {
  await page.goto(url, { waitUntil: 'commit' });
  for (let second = 0; second < 60; second++) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    if (await page.evaluate(() => performance.getEntriesByName('dashboard-drawn').length > 0)) return;
  }
  throw new Error(`${url} was not drawn`);
}

for (let run = 0; run < Number(runs); run++) {
  const context = await browser.newContext({ viewport: { width: 1600, height: 1000 } });
  const page = await context.newPage();
  // an open, empty tab, as a person has: starting its process is the browser's time, not the page's
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await open(page);
  if (process.env.WARM) {
    await page.goto('about:blank');
    await open(page);
  }
  results.push(
    await page.evaluate(() => {
      const queries = performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/v1/query'));
      return {
        drawn: Math.round(performance.getEntriesByName('dashboard-drawn')[0].startTime),
        firstQuery: Math.round(Math.min(...queries.map((entry) => entry.startTime))),
        lastAnswer: Math.round(Math.max(...queries.map((entry) => entry.responseEnd))),
        queries: queries.length,
        megabytes: Number((queries.reduce((sum, entry) => sum + entry.decodedBodySize, 0) / 1e6).toFixed(2)),
      };
    }),
  );
  if (process.env.SCREENSHOT && run === 0) await page.screenshot({ path: process.env.SCREENSHOT });
  await context.close();
}
await browser.close();
console.table(results);
const sorted = results.map((result) => result.drawn).sort((a, b) => a - b);
console.log(`drawn: median ${sorted[sorted.length >> 1]} ms, fastest ${sorted[0]} ms, slowest ${sorted.at(-1)} ms`);
