/**
 * Replaces `$name`, `${name:format}` and `[[name]]` in texts and queries. Input: the chosen values of variables and the built-in ones.
 * In queries, values are escaped as Grafana's Prometheus data source escapes them: for use inside a PromQL string.
 */
export interface VariableValue {
  value: string | string[];
  text: string | string[];
  /** The variable may hold several values: its values are used as regular expressions. */
  multi: boolean;
  /** Text to use as it stands, unescaped: `allValue`. */
  verbatim?: string;
}

export type VariableValues = Record<string, VariableValue>;
/** Values that hold for one panel only: built-ins such as __interval, and repeats. */
export type ScopedValues = Record<string, string>;

export interface Scope {
  variables: VariableValues;
  scoped: ScopedValues;
}

const pattern = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.[^:}]+)?(?::([^}]+))?\}/g;

const listOf = (value: string | string[]): string[] => (Array.isArray(value) ? value : [value]);

/** Backslashes and quotes, for a value between double quotes. */
const escapeString = (value: string) => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"');

/** Regular expression characters, doubled because the result stands in a PromQL string. */
const escapeQueryRegex = (value: string) =>
  value.replace(/\\/g, '\\\\\\\\').replace(/[$^*{}[\]'+?.()|]/g, '\\\\$&');

const escapeRegex = (value: string) => value.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');

const alternatives = (values: string[]) => (values.length === 1 ? (values[0] as string) : `(${values.join('|')})`);

function formatValue(format: string, value: string | string[], text: string | string[]): string {
  const values = listOf(value);
  switch (format) {
    case 'regex':
      return alternatives(values.map(escapeRegex));
    case 'pipe':
      return values.join('|');
    case 'csv':
    case 'raw':
      return values.join(',');
    case 'json':
      return JSON.stringify(value);
    case 'doublequote':
      return values.map((v) => `"${v.replace(/"/g, '\\"')}"`).join(',');
    case 'singlequote':
    case 'sqlstring':
      return values.map((v) => `'${v.replace(/'/g, "''")}'`).join(',');
    case 'percentencode':
      return encodeURIComponent(values.length === 1 ? (values[0] as string) : `{${values.join(',')}}`);
    case 'text':
      return listOf(text).join(' + ');
    default:
      return values.length === 1 ? (values[0] as string) : `{${values.join(',')}}`;
  }
}

const queryValue = (variable: VariableValue): string =>
  variable.multi ? alternatives(listOf(variable.value).map(escapeQueryRegex)) : escapeString(listOf(variable.value).join(','));

function replaceAll(text: string, scope: Scope, forQuery: boolean): string {
  if (!text.includes('$') && !text.includes('[[')) return text;
  return text.replace(pattern, (match, bare, square, squareFormat, braced, bracedFormat) => {
    const name = (bare ?? square ?? braced) as string;
    const format = (squareFormat ?? bracedFormat) as string | undefined;
    const scoped = scope.scoped[name];
    if (scoped !== undefined) {
      if (format?.startsWith('date')) return formatDate(scoped, format);
      return format ? formatValue(format, scoped, scoped) : scoped;
    }
    const variable = scope.variables[name];
    if (!variable) return match as string;
    if (variable.verbatim !== undefined && format !== 'text' && forQuery) return variable.verbatim;
    if (format) return formatValue(format, variable.value, variable.text);
    return forQuery ? queryValue(variable) : listOf(variable.text).join(' + ');
  });
}

function formatDate(epochMs: string, format: string): string {
  if (format === 'date:seconds') return String(Math.floor(Number(epochMs) / 1000));
  return new Date(Number(epochMs)).toISOString();
}

/** For PromQL expressions. */
export function interpolateQuery(expr: string, scope: Scope): string {
  return replaceAll(expr, scope, true);
}

/** For titles, legends and text panels. */
export function interpolateText(text: string, scope: Scope): string {
  return replaceAll(text, scope, false);
}

/** Names of the variables a text mentions. */
export function mentionedVariables(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, bare, square, , braced] of text.matchAll(pattern)) names.add((bare ?? square ?? braced) as string);
  return names;
}
