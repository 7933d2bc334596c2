// The dashboards of the product itself, from the ConfigMaps under kubernetes/monitoring: each value of `data` that is a JSON block literal.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = new URL('../../kubernetes/monitoring', import.meta.url).pathname;

/** The block literals (`name: |`) of a YAML text, without their indentation. */
function blockLiterals(yaml) {
  const literals = [];
  const lines = yaml.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const head = /^(\s*)\S+\.json:\s*\|[-+]?\s*$/.exec(lines[i]);
    if (!head) continue;
    const body = [];
    while (i + 1 < lines.length && (lines[i + 1].trim() === '' || /^\s*/.exec(lines[i + 1])[0].length > head[1].length)) body.push(lines[++i]);
    literals.push(body.join('\n'));
  }
  return literals;
}

export function productDashboards() {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /\.ya?ml$/.test(name))
    .flatMap((name) => blockLiterals(readFileSync(join(folder, name), 'utf8')))
    .map((text) => JSON.parse(text));
}
