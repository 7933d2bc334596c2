// Writes a .gz file next to every text asset in dist/, so that the server can send them without compressing at run time.
// Reads and writes ui/dist only; files under 1 kB are left alone.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';

const dist = new URL('../dist', import.meta.url).pathname;
const compressible = /\.(js|css|html|svg|json|map)$/;
const rows = [];

for (const entry of readdirSync(dist, { recursive: true })) {
  const path = join(dist, entry);
  if (!compressible.test(path) || !statSync(path).isFile()) continue;
  const bytes = readFileSync(path);
  if (bytes.length < 1024) continue;
  const gz = gzipSync(bytes, { level: 9 });
  writeFileSync(path + '.gz', gz);
  rows.push([relative(dist, path), bytes.length, gz.length]);
}

const kilo = (n) => (n / 1000).toFixed(1).padStart(8) + ' kB';
for (const [name, raw, gz] of rows) {
  console.log(`${name.padEnd(44)} ${kilo(raw)}  gzip ${kilo(gz)}`);
}
