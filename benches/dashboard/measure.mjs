// Opens a dashboard in headless Chromium several times and prints how long it took until every visible panel was drawn.
// Arguments: base URL, path, picture to write. The browser is started once; each visit is a page with an empty cache.
import { chromium } from '../../ui/node_modules/@playwright/test/index.mjs';

const [base, path, picture] = process.argv.slice(2);
const ROUNDS = 9;
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
const drawn = [];
for (let round = 0; round < ROUNDS; round++) {
  const context = await browser.newContext({ viewport: { width: 1600, height: 1000 } });
  const page = await context.newPage();
  await page.goto(base + path, { waitUntil: 'commit' });
  const mark = () => performance.getEntriesByName('dashboard-drawn')[0]?.startTime;
  drawn.push(await (await page.waitForFunction(mark, null, { timeout: 30_000 })).jsonValue());
  if (round + 1 === ROUNDS && picture) await page.screenshot({ path: picture });
  await context.close();
}
await browser.close();
drawn.sort((a, b) => a - b);
const ms = (value) => `${Math.round(value)} ms`;
console.log(`drawn after: min ${ms(drawn[0])}, median ${ms(drawn[ROUNDS >> 1])}, max ${ms(drawn[ROUNDS - 1])}`);
