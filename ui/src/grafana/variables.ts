/**
 * Dashboard variables: reads their definitions, asks the Prometheus API for the values of query variables, in the order in which they depend on
 * each other, and picks the chosen values from the URL, the dashboard, or the first option.
 * Ad hoc filters and group-by variables are not read; they are left out of the bar.
 */
import { labelNames, labelValues, queryInstant } from '../api/prometheus';
import { formatDuration, parseDuration } from '../time/duration';
import type { TimeRange } from '../time/range';
import { computeStep } from '../time/step';
import { interpolateQuery, mentionedVariables, type VariableValue, type VariableValues } from './interpolate';
import { seriesText } from './legend';
import type { VariableModel } from './model';

export interface Option {
  text: string;
  value: string;
}

export interface ResolvedVariable {
  model: VariableModel;
  options: Option[];
  /** Chosen values; `$__all` stands for all options. */
  selected: string[];
  error?: string;
}

export const allToken = '$__all';
const allOption: Option = { text: 'All', value: allToken };

/** `label_values(up{job="x"}, instance)` and its relatives, as people write them into a query variable. */
export type VariableQuery =
  | { kind: 'labelValues'; metric?: string; label: string }
  | { kind: 'labelNames'; metric?: string }
  | { kind: 'metrics'; pattern: string }
  | { kind: 'queryResult'; expr: string };

export function parseVariableQuery(text: string): VariableQuery | undefined {
  const query = text.trim();
  const values = /^label_values\((?:(.+),\s*)?([a-zA-Z_$][\w$]*)\s*\)\s*$/s.exec(query);
  if (values) return { kind: 'labelValues', metric: values[1]?.trim(), label: values[2] as string };
  const names = /^label_names\((.*)\)\s*$/s.exec(query);
  if (names) return { kind: 'labelNames', metric: names[1]?.trim() || undefined };
  const metrics = /^metrics\((.*)\)\s*$/s.exec(query);
  if (metrics) return { kind: 'metrics', pattern: metrics[1]?.trim() ?? '' };
  const result = /^query_result\((.+)\)\s*$/s.exec(query);
  if (result) return { kind: 'queryResult', expr: result[1] as string };
  return undefined;
}

async function runQuery(query: VariableQuery, range: TimeRange, signal?: AbortSignal): Promise<string[]> {
  switch (query.kind) {
    case 'labelValues':
      return labelValues(query.label, query.metric ? [query.metric] : [], range, signal);
    case 'labelNames':
      return labelNames(query.metric ? [query.metric] : [], range, signal);
    case 'metrics': {
      const pattern = new RegExp(query.pattern);
      return (await labelValues('__name__', [], range, signal)).filter((name) => pattern.test(name));
    }
    case 'queryResult': {
      const { samples } = await queryInstant(query.expr, range.to, signal);
      return samples.map((s) => `${seriesText(s.labels, '')} ${s.value} ${s.timeMs}`);
    }
  }
}

/** `/pattern/flags` or a bare pattern; named groups `text` and `value`, else the first group, else the whole match. */
export function applyRegex(values: string[], regex: string | undefined): Option[] {
  if (!regex) return values.map((value) => ({ text: value, value }));
  const slashed = /^\/(.*)\/([a-z]*)$/s.exec(regex);
  const pattern = new RegExp(slashed?.[1] ?? regex, slashed?.[2]?.replace(/[gy]/g, ''));
  const options: Option[] = [];
  for (const candidate of values) {
    const match = pattern.exec(candidate);
    if (!match) continue;
    const value = match.groups?.value ?? match.groups?.text ?? match[1] ?? match[0];
    options.push({ text: match.groups?.text ?? value, value });
  }
  return options;
}

const numberIn = (option: Option) => Number(/-?\d+(\.\d+)?/.exec(option.text)?.[0] ?? NaN);

/** Grafana's sort codes: 1/2 alphabetical, 3/4 numerical, 5/6 ignoring case, 7/8 natural; odd up, even down. */
export function sortOptions(options: Option[], sort = 0): Option[] {
  if (sort === 0) return options;
  const compare = [
    (a: Option, b: Option) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0),
    (a: Option, b: Option) => (numberIn(a) || 0) - (numberIn(b) || 0),
    (a: Option, b: Option) => a.text.toLowerCase().localeCompare(b.text.toLowerCase()),
    (a: Option, b: Option) => a.text.localeCompare(b.text, undefined, { numeric: true }),
  ][Math.ceil(sort / 2) - 1];
  const sorted = compare ? [...options].sort(compare) : options;
  return sort % 2 === 0 ? [...sorted].reverse() : sorted;
}

function unique(options: Option[]): Option[] {
  const seen = new Set<string>();
  return options.filter((o) => !seen.has(o.value) && seen.add(o.value));
}

/** `a, b, key : value` with backslash-escaped commas. */
export function parseCustom(query: string): Option[] {
  return (query.match(/(?:\\,|[^,])+/g) ?? []).map((part) => {
    const text = part.replace(/\\,/g, ',').trim();
    const pair = /^(.+?)\s:\s(.+)$/s.exec(text);
    return pair ? { text: pair[1] as string, value: pair[2] as string } : { text, value: text };
  });
}

export const queryText = (model: VariableModel): string =>
  typeof model.query === 'string' ? model.query : (model.query?.query ?? model.definition ?? '');

async function optionsOf(model: VariableModel, values: VariableValues, range: TimeRange, signal?: AbortSignal): Promise<Option[]> {
  const text = queryText(model);
  switch (model.type) {
    case 'query': {
      const query = parseVariableQuery(interpolateQuery(text, { variables: values, scoped: builtins(range) }));
      if (!query) throw new Error(`variable query not understood: ${text}`);
      const found = applyRegex(await runQuery(query, range, signal), model.regex);
      return unique(sortOptions(found, model.sort));
    }
    case 'custom':
      return parseCustom(text);
    case 'interval':
      return [...(model.auto ? [{ text: 'auto', value: `$__auto_interval_${model.name}` }] : []), ...parseCustom(text)];
    case 'datasource':
      return [{ text: 'tidewatch', value: 'prometheus' }];
    default:
      return [{ text, value: text }];
  }
}

function builtins(range: TimeRange): Record<string, string> {
  const span = range.to - range.from;
  return { __range: `${Math.round(span / 1000)}s`, __range_s: String(Math.round(span / 1000)), __range_ms: String(span) };
}

const asList = (value: string | string[] | undefined): string[] =>
  value === undefined || value === '' ? [] : Array.isArray(value) ? value : [value];

function choose(model: VariableModel, options: Option[], fromUrl: string[] | undefined): string[] {
  const wanted = (fromUrl ?? asList(model.current?.value)).map((v) => (v === 'All' && model.includeAll ? allToken : v));
  if (model.type === 'textbox') return [fromUrl?.[0] ?? asList(model.current?.value)[0] ?? queryText(model)];
  if (model.type === 'constant') return [queryText(model)];
  const known = wanted.filter((v) => v === allToken || options.some((o) => o.value === v));
  if (known.includes(allToken)) return [allToken];
  if (known.length > 0) return model.multi ? known : known.slice(0, 1);
  if (fromUrl && fromUrl.length > 0) return fromUrl;
  const first = model.includeAll && model.multi && wanted.length === 0 ? allToken : options[0]?.value;
  if (first !== undefined) return [first];
  return model.includeAll ? [allToken] : [];
}

/** What the chosen values mean in queries and texts. */
export function valueOf(variable: ResolvedVariable, range: TimeRange): VariableValue {
  const { model, options, selected } = variable;
  const multi = Boolean(model.multi || model.includeAll);
  if (selected[0] === allToken) {
    const values = options.map((o) => o.value);
    const verbatim = model.allValue ? model.allValue : values.length === 0 ? '.*' : undefined;
    return { value: values, text: 'All', multi, verbatim };
  }
  if (selected[0]?.startsWith('$__auto_interval_')) {
    const minInterval = parseDuration(model.auto_min ?? '10s') ?? 10_000;
    const step = computeStep(range, { maxDataPoints: model.auto_count ?? 30, minInterval });
    return { value: formatDuration(step), text: 'auto', multi: false };
  }
  const texts = selected.map((value) => options.find((o) => o.value === value)?.text ?? value);
  if (selected.length === 1) return { value: selected[0] as string, text: texts[0] as string, multi };
  return { value: selected, text: texts, multi };
}

export interface ResolveInput {
  models: VariableModel[];
  range: TimeRange;
  /** Values of `var-<name>` in the URL. */
  fromUrl: (name: string) => string[] | undefined;
  signal?: AbortSignal;
}

/** Resolves every variable; those that do not depend on each other at the same time. A failing one carries its error and has no options. */
export async function resolveVariables({ models, range, fromUrl, signal }: ResolveInput): Promise<ResolvedVariable[]> {
  const readable = models.filter((m) => m.type !== 'adhoc' && m.type !== 'groupby');
  const done: VariableValues = {};
  const pending = new Map<string, Promise<ResolvedVariable>>();
  const resolve = async (model: VariableModel, position: number): Promise<ResolvedVariable> => {
    const mentioned = mentionedVariables(`${queryText(model)} ${model.regex ?? ''}`);
    await Promise.all(readable.slice(0, position).filter((m) => mentioned.has(m.name)).map((m) => pending.get(m.name)));
    let options: Option[] = [];
    let error: string | undefined;
    try {
      options = await optionsOf(model, done, range, signal);
    } catch (cause) {
      signal?.throwIfAborted();
      error = cause instanceof Error ? cause.message : String(cause);
    }
    const variable = { model, options, selected: choose(model, options, fromUrl(model.name)), error };
    done[model.name] = valueOf(variable, range);
    return variable;
  };
  readable.forEach((model, position) => pending.set(model.name, resolve(model, position)));
  return Promise.all(readable.map((m) => pending.get(m.name) as Promise<ResolvedVariable>));
}

export function optionsWithAll(variable: ResolvedVariable): Option[] {
  return variable.model.includeAll ? [allOption, ...variable.options] : variable.options;
}

export function valuesOf(variables: ResolvedVariable[], range: TimeRange): VariableValues {
  return Object.fromEntries(variables.map((v) => [v.model.name, valueOf(v, range)]));
}

/** Values of `var-<name>` in a URL. */
export const chosenIn =
  (url: URL) =>
  (name: string): string[] | undefined => {
    const values = url.searchParams.getAll(`var-${name}`);
    return values.length > 0 ? values : undefined;
  };

/** For repeated panels and rows: one copy for each value. */
export const repeatValuesOf =
  (values: VariableValues) =>
  (name: string): string[] =>
    [values[name]?.value ?? []].flat();
