// Answers PromQL with made-up numbers. It understands just enough (first selector, matchers, outermost aggregation, ratios, comparisons) that the shape
// of an answer is right; the values are waves around the level of the metric. It is not an evaluator: see crates/promql for that.
import { catalog } from './metrics.mjs';

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32;
}

const clean = (labels) => Object.fromEntries(Object.entries(labels).filter(([, v]) => v !== undefined));

function parseMatchers(text) {
  return [...text.matchAll(/([\w:]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)].map(([, name, op, raw]) => {
    const value = raw.replace(/\\\\/g, '\\');
    const pattern = op.includes('~') ? new RegExp(`^(?:${value})$`) : undefined;
    return (labels) => {
      const actual = labels[name] ?? '';
      const equal = pattern ? pattern.test(actual) : actual === value;
      return op.startsWith('!') ? !equal : equal;
    };
  });
}

export function select(selector) {
  const match = /^\s*([a-zA-Z_:][\w:]*)?\s*(?:\{([\s\S]*)\})?\s*$/.exec(selector);
  const matchers = parseMatchers(match?.[2] ?? '');
  const names = match?.[1] ? [match[1]] : Object.keys(catalog);
  return names.flatMap((name) =>
    (catalog[name]?.series ?? [])
      .map((labels) => clean({ __name__: name, ...labels }))
      .filter((labels) => matchers.every((m) => m(labels))),
  );
}

/** Value of one series at a time in seconds. */
function waveOf(labels) {
  const metric = catalog[labels.__name__];
  const level = typeof metric.level === 'function' ? metric.level(labels) : metric.level;
  if (metric.at) return metric.at(labels);
  if (metric.constant) return () => level;
  const key = Object.values(labels).join(' ');
  const phase = hash(key) * 6.28;
  const scale = 0.75 + 0.5 * hash(key + 'scale');
  const period = 1500 + 2400 * hash(key + 'period');
  return (t) => {
    if (labels.__name__ === 'mock_gaps' && labels.name === 'broken' && Math.floor(t / 420) % 3 === 1) return undefined;
    const noise = hash(key + Math.floor(t / 15)) - 0.5;
    const wave = Math.sin(t / period + phase) * 0.28 + Math.sin(t / 311 + phase * 3) * 0.06;
    const value = level * scale * (1 + wave + noise * 0.12);
    return labels.__name__ === 'mock_signed' ? value - level * 0.8 : value;
  };
}

const isAggregated = /^(sum|avg|max|min|count|group)\b/;

/** What the expression keeps of a label set. */
function groupLabels(expr) {
  const by = /\bby\s*\(([^)]*)\)/.exec(expr);
  if (by) {
    const names = by[1].split(',').map((s) => s.trim()).filter((name) => name && name !== 'le');
    return (labels) => Object.fromEntries(names.filter((n) => labels[n] !== undefined).map((n) => [n, labels[n]]));
  }
  const inner = expr.replace(/^[\s(]*(?:\d+\s*-\s*)?(?:100\s*\*\s*)?\(*/, '').replace(/^histogram_quantile\([^,]*,\s*/, '');
  if (isAggregated.test(inner)) return () => ({});
  const plain = /^[a-zA-Z_:][\w:]*\s*(\{[^}]*\})?$/.test(expr.trim());
  return plain ? (labels) => labels : ({ __name__: _name, le: _le, ...rest }) => rest;
}

export class QueryError extends Error {}

/** Series of an expression: labels and a function of time in seconds. */
export function evaluate(expr) {
  if (/\bfail\(/.test(expr)) throw new QueryError('1:1: parse error: unknown function with name "fail"');
  if (expr.split('(').length > expr.split(')').length) throw new QueryError('1:4: parse error: unclosed left parenthesis');
  if (expr.trim() === '') throw new QueryError('1:1: parse error: no expression found in input');
  if (expr.trim() === '1/0') return [{ labels: {}, at: () => Infinity }];
  const constant = /^vector\(([\d.]+)\)$/.exec(expr.trim());
  if (constant) return [{ labels: {}, at: () => Number(constant[1]) }];
  if (/^[\d.]+$/.test(expr.trim())) return [{ labels: {}, at: () => Number(expr) }];
  const selectors = [...expr.matchAll(/([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?/g)].filter(([, name]) => catalog[name]);
  const otherwise = /\bor\s+(?:on\s*\(\)\s*)?vector\(0\)/.test(expr) ? [{ labels: {}, at: () => 0 }] : [];
  if (selectors.length === 0) return otherwise;
  const keep = groupLabels(expr);
  const quantile = /histogram_quantile\(\s*([\d.]+)/.exec(expr);
  const ratio = selectors.length > 1 && /\//.test(expr.replace(/"[^"]*"/g, ''));
  const percent = /\b100\b/.test(expr);
  const counted = /^\s*count\b/.test(expr);
  const averaged = /^\s*(avg|max|min)\b|avg\s*(by|\()/.test(expr);
  const groups = new Map();
  for (const labels of select(selectors[0][0])) {
    const group = keep(labels);
    const key = JSON.stringify(group);
    if (!groups.has(key)) groups.set(key, { labels: group, members: [] });
    groups.get(key).members.push(waveOf(labels));
  }
  const idle = /mode="idle"/.test(expr) && /1\s*-/.test(expr);
  let series = [...groups.values()].map(({ labels, members }) => ({
    labels,
    at(t) {
      if (counted) return members.length;
      let total = 0;
      for (const member of members) {
        const value = member(t);
        if (value === undefined) return undefined;
        total += value;
      }
      if (averaged) total /= members.length;
      if (quantile) return 0.004 * (1 + Number(quantile[1]) * 4) * (total / members.length / 4) * (/_milliseconds_bucket/.test(expr) ? 1000 : 1);
      if (idle) return (1 - total) * (percent ? 100 : 1);
      if (ratio) return (0.05 + 0.5 * hash(JSON.stringify(labels) + expr.length)) * (0.8 + 0.2 * Math.sin(t / 900)) * (percent ? 100 : 1);
      return total;
    },
  }));
  const top = /^\s*topk\(\s*(\d+)/.exec(expr);
  if (top) series = series.slice(0, Number(top[1]));
  const equals = /==\s*([\d.]+)\s*$/.exec(expr);
  if (equals) series = series.filter((s) => s.at(0) === Number(equals[1]));
  const above = />\s*([\d.]+)\s*$/.exec(expr);
  if (above) series = series.filter((s) => s.at(0) > Number(above[1]));
  return series.length > 0 ? series : otherwise;
}

const number = (value) => value === Infinity ? '+Inf' : String(Math.abs(value) < 1e-6 ? value : Number(value.toPrecision(8)));

export function instant(expr, time) {
  return evaluate(expr).flatMap(({ labels, at }) => {
    const value = at(time);
    return value === undefined ? [] : [{ metric: labels, value: [time, number(value)] }];
  });
}

export function range(expr, start, end, step) {
  if ((end - start) / step > 11000) throw new QueryError('exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)');
  return evaluate(expr).map(({ labels, at }) => {
    const values = [];
    for (let t = start; t <= end; t += step) {
      const value = at(t);
      if (value !== undefined) values.push([t, number(value)]);
    }
    return { metric: labels, values };
  });
}
