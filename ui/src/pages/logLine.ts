/**
 * A line of a pod's log, made readable: structured lines (JSON with a time, a level and a message) become clock, level, message and the remaining fields;
 * every other line stays as it is. Pure.
 */
export interface LogLine {
  /** hh:mm:ss.mmm in the browser's time zone, when the line has a time. */
  clock?: string;
  level?: string;
  text: string;
}

/** The id of the trace that a line was written in, in JSON or as `trace_id=…`. Zeros are no trace. */
export function traceIdOf(line: string): string | undefined {
  const id = /\btrace_?id"?\s*[=:]\s*"?([\da-f]{32}|[\da-f]{16})\b/i.exec(line)?.[1];
  return id && /[^0]/.test(id) ? id.toLowerCase() : undefined;
}

const two = (n: number, width = 2) => String(n).padStart(width, '0');

function clockOf(value: unknown): string | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : NaN;
  if (Number.isNaN(ms)) return undefined;
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${two(d.getMilliseconds(), 3)}`;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function fieldsOf(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    return parsed && typeof parsed === 'object' ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export function readLogLine(line: string): LogLine {
  const fields = fieldsOf(line);
  if (!fields) return { text: line };
  const { timestamp, time, ts, level, message, msg, fields: nested, ...rest } = fields;
  const inner = nested && typeof nested === 'object' ? { ...(nested as Record<string, unknown>) } : {};
  const said = message ?? msg ?? inner.message;
  if (said === undefined) return { text: line };
  delete inner.message;
  const others = Object.entries({ ...inner, ...rest }).map(([name, value]) => `${name}=${textOf(value)}`);
  return {
    clock: clockOf(timestamp ?? time ?? ts),
    level: typeof level === 'string' ? level.toUpperCase() : undefined,
    text: [textOf(said), ...others].join('  '),
  };
}
