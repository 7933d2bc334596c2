/**
 * What an alert's expression compares: the parts that are worth a graph, and their thresholds. Input: PromQL that the server has accepted, so that reading it can
 * be light: comparisons and set operators outside of all brackets. Output: expressions to ask. What is not understood is asked whole. Pure.
 */
export type Comparison = '>' | '>=' | '<' | '<=' | '==' | '!=';

export interface Compared {
  /** What is measured. */
  expr: string;
  op?: Comparison;
  /** A number that it is compared with. */
  threshold?: number;
  /** An expression that it is compared with. */
  against?: string;
  /** What has to hold beside it, with its operator: `and on (job) up == 1`. */
  besides?: string;
}

const hidden = '\u0001';
const closing: Record<string, string> = { '(': ')', '{': '}', '[': ']' };

/** Index after the string that begins at `from`. */
function afterString(text: string, from: number): number {
  const quote = text[from];
  let i = from + 1;
  while (i < text.length && text[i] !== quote) i += text[i] === '\\' && quote !== '`' ? 2 : 1;
  return i + 1;
}

/** Without comments, which may hold anything. */
function withoutComments(text: string): string {
  let plain = '';
  for (let i = 0; i < text.length; ) {
    const c = text[i] as string;
    if ('"\'`'.includes(c)) {
      const end = afterString(text, i);
      plain += text.slice(i, end);
      i = end;
    } else if (c === '#') {
      const end = text.indexOf('\n', i);
      i = end < 0 ? text.length : end;
    } else {
      plain += c;
      i++;
    }
  }
  return plain.trim();
}

/** The text with everything in brackets and quotes blotted out, and as long as it was. */
function outside(text: string): string {
  const open: string[] = [];
  let mask = '';
  for (let i = 0; i < text.length; ) {
    const c = text[i] as string;
    if ('"\'`'.includes(c)) {
      const end = Math.min(afterString(text, i), text.length);
      mask += hidden.repeat(end - i);
      i = end;
      continue;
    }
    const close = closing[c];
    if (close) open.push(close);
    const isHidden = open.length > 0;
    if (!close && c === open.at(-1)) open.pop();
    mask += isHidden ? hidden : c;
    i++;
  }
  return mask;
}

/** Without parentheses around all of it. */
function bare(text: string): string {
  let inner = text.trim();
  while (inner.startsWith('(') && outside(inner) === hidden.repeat(inner.length) && isOne(inner)) inner = inner.slice(1, -1).trim();
  return inner;
}

/** Whether the first parenthesis is closed by the last character. */
function isOne(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if ('"\'`'.includes(c)) i = afterString(text, i) - 1;
    else if (c in closing) depth++;
    else if (Object.values(closing).includes(c) && --depth === 0) return i === text.length - 1;
  }
  return false;
}

const isWord = (c: string | undefined): boolean => c !== undefined && /[\w:]/.test(c);

/** Where the words stand that are no part of a longer name. */
function wordsAt(mask: string, words: RegExp): { at: number; word: string }[] {
  return [...mask.matchAll(words)].filter((m) => !isWord(mask[m.index - 1]) && !isWord(mask[m.index + m[0].length])).map((m) => ({ at: m.index, word: m[0] }));
}

const vectorMatching = /^\s*(?:(?:on|ignoring)\s*\([^)]*\)\s*)?(?:(?:group_left|group_right)\s*(?:\([^)]*\))?\s*)?/i;

const numberText = /^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf)$/i;

export function numberOf(text: string): number | undefined {
  const plain = bare(text);
  if (!numberText.test(plain)) return undefined;
  return /inf/i.test(plain) ? (plain.startsWith('-') ? -Infinity : Infinity) : Number(plain);
}

const mirrored: Record<Comparison, Comparison> = { '>': '<', '>=': '<=', '<': '>', '<=': '>=', '==': '==', '!=': '!=' };

function comparisonOf(text: string): Compared {
  const mask = outside(text);
  // of several the last one is the outermost
  const found = [...mask.matchAll(/==|!=|>=|<=|>|</g)].at(-1);
  if (!found) return { expr: text };
  const op = found[0] as Comparison;
  const left = bare(text.slice(0, found.index));
  const after = text.slice(found.index + op.length);
  // 0 or 1 at all times: a graph of what is compared would not be what counts
  if (/^\s*bool\b/i.test(after)) return { expr: text };
  const right = bare(after.replace(vectorMatching, ''));
  if (left === '' || right === '') return { expr: text };
  const threshold = numberOf(right);
  if (threshold !== undefined) return { expr: left, op, threshold };
  const swapped = numberOf(left);
  return swapped !== undefined ? { expr: right, op: mirrored[op], threshold: swapped } : { expr: left, op, against: right };
}

/** The alternatives of an expression, each with the comparison that comes first in it. */
export function comparedIn(query: string): Compared[] {
  const text = bare(withoutComments(query));
  const mask = outside(text);
  const ors = wordsAt(mask, /or/gi);
  if (ors.length > 0) {
    const ends = [...ors.map((o) => o.at), text.length];
    return ends.flatMap((end, i) => comparedIn(text.slice(i === 0 ? 0 : (ors[i - 1] as { at: number }).at + 2, end).replace(vectorMatching, '')));
  }
  const [first] = wordsAt(mask, /and|unless/gi);
  if (!first) return [comparisonOf(text)];
  const besides = text.slice(first.at).replace(/\s+/g, ' ');
  return comparedIn(text.slice(0, first.at)).map((one) => ({ ...one, besides: one.besides ? `${one.besides} ${besides}` : besides }));
}

/** Grafana's name of the unit, where metric names and the threshold tell. */
export function unitOf({ expr, threshold }: Compared): string | undefined {
  const isRatio = outside(bare(expr)).includes('/') || /:ratio|_ratio\b/.test(expr);
  if (isRatio) return threshold !== undefined && Math.abs(threshold) <= 1 ? 'percentunit' : undefined;
  const isRate = /\b(?:rate|irate|increase|delta|deriv|count|changes)\s*\(/.test(expr);
  if (/^histogram_quantile\b[\s\S]*_seconds(?:_bucket)?\b/.test(bare(expr)) || (/_seconds\b/.test(expr) && !isRate)) return 's';
  return /_bytes\b/.test(expr) && !isRate ? 'bytes' : undefined;
}
