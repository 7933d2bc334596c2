/**
 * Names of series: `legendFormat` templates, and Grafana's automatic names when there is none.
 * Input: label sets of one query's result. Output: one name per series.
 */
import type { Labels } from '../api/prometheus';

/** `http_requests_total{job="backend"}`, or the expression for a series without labels. */
export function seriesText(labels: Labels, expr: string): string {
  const { __name__: metric, ...rest } = labels;
  const pairs = Object.entries(rest).map(([name, value]) => `${name}="${value}"`);
  if (pairs.length === 0) return metric ?? expr;
  return `${metric ?? ''}{${pairs.join(', ')}}`;
}

/** Replaces `{{label}}`; a label the series does not have becomes empty. */
export function legendOf(format: string, labels: Labels): string {
  return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_match, name: string) => labels[name] ?? '');
}

/** The only label that all series have, when there is exactly one: its value is name enough. */
function onlyLabel(all: Labels[]): string | undefined {
  let only: string | undefined;
  for (const labels of all) {
    for (const name in labels) {
      if (name === '__name__') continue;
      if (only !== undefined && only !== name) return undefined;
      only = name;
    }
  }
  return only;
}

export function seriesNames(all: Labels[], expr: string, legendFormat: string | undefined): string[] {
  if (legendFormat && legendFormat !== '__auto') return all.map((labels) => legendOf(legendFormat, labels));
  const only = legendFormat === '__auto' ? onlyLabel(all) : undefined;
  return all.map((labels) => (only !== undefined && labels[only]) || seriesText(labels, expr));
}
