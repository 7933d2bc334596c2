/**
 * From a panel's targets to their results. Input: the panel, the values of variables, the time range and the panel's width in pixels. Output: one
 * result per target, from the Prometheus API; equal queries of one dashboard load share one request.
 */
import { errorText, isAbort } from '../api/http';
import { queryExemplars, queryInstant, queryRange, type Exemplar, type InstantResult, type RangeResult } from '../api/prometheus';
import { interpolateQuery, interpolateText, type Scope } from '../grafana/interpolate';
import { seriesNames } from '../grafana/legend';
import type { PanelModel, QueryTarget } from '../grafana/model';
import { formatDuration, parseDuration } from '../time/duration';
import type { TimeRange } from '../time/range';
import { alignRange, computeStep, rateInterval } from '../time/step';

/** Used where neither the panel nor its target says how often the series are scraped. */
const scrapeInterval = 30_000;
/** Smallest step when nothing else is said; queries finer than half a scrape show nothing new. */
const minStep = 15_000;

export interface TargetResult {
  target: QueryTarget;
  expr: string;
  range?: RangeResult;
  instant?: InstantResult;
  exemplars?: Exemplar[];
  /** Why there are none, where asking for them failed: the panel is drawn without them. */
  exemplarProblem?: string;
  /** Display name of each series or sample. */
  names: string[];
}

export interface PanelResult {
  targets: TargetResult[];
  notices: string[];
  range: TimeRange;
  /** Milliseconds; the coarsest of the panel's queries. */
  step: number;
}

/** Shares the answers of equal queries. One per load of a dashboard: nothing is kept for the next. */
export class QueryShare {
  private readonly ranges = new Map<string, Promise<RangeResult>>();
  private readonly instants = new Map<string, Promise<InstantResult>>();
  private readonly exemplarLists = new Map<string, Promise<Exemplar[]>>();

  constructor(private readonly signal: AbortSignal) {}

  range(expr: string, start: number, end: number, step: number): Promise<RangeResult> {
    return this.once(this.ranges, `${start} ${end} ${step} ${expr}`, () =>
      queryRange({ expr, start, end, step }, this.signal),
    );
  }

  instant(expr: string, time: number): Promise<InstantResult> {
    return this.once(this.instants, `${time} ${expr}`, () => queryInstant(expr, time, this.signal));
  }

  exemplars(expr: string, start: number, end: number): Promise<Exemplar[]> {
    return this.once(this.exemplarLists, `${start} ${end} ${expr}`, () => queryExemplars(expr, start, end, this.signal));
  }

  private once<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
    const pending = known.get(key) ?? ask();
    known.set(key, pending);
    return pending;
  }
}

/** The panel's own `timeFrom` ("last 1 h whatever the dashboard shows") applied. */
export function panelRange(panel: PanelModel, range: TimeRange): TimeRange {
  const span = panel.timeFrom ? parseDuration(panel.timeFrom.replace(/^now-/, '')) : undefined;
  const shift = panel.timeShift ? (parseDuration(panel.timeShift) ?? 0) : 0;
  if (span === undefined && shift === 0) return range;
  const to = range.to - shift;
  return { from: span === undefined ? range.from - shift : to - span, to, raw: range.raw };
}

/** The built-in variables that depend on the resolution of a query. */
export function withBuiltins(scope: Scope, range: TimeRange, step: number, scrape: number): Scope {
  const span = range.to - range.from;
  return {
    variables: scope.variables,
    scoped: {
      __interval: formatDuration(step),
      __interval_ms: String(step),
      __rate_interval: formatDuration(rateInterval(step, scrape)),
      __range: `${Math.round(span / 1000)}s`,
      __range_s: String(Math.round(span / 1000)),
      __range_ms: String(span),
      __from: String(range.from),
      __to: String(range.to),
      __timezone: 'browser',
      ...scope.scoped,
    },
  };
}

export interface PanelRequest {
  panel: PanelModel;
  scope: Scope;
  range: TimeRange;
  width: number;
}

/** The panel types that draw answers. Others are texts, rows, or not supported. */
const asking = new Set(['timeseries', 'stat', 'gauge', 'bargauge', 'table']);

export const asksQueries = (panel: PanelModel): boolean => asking.has(panel.type);

function minIntervalOf(panel: PanelModel, target: QueryTarget, scope: Scope): number | undefined {
  const text = target.interval || panel.interval;
  return text ? parseDuration(interpolateText(text, scope)) : undefined;
}

async function addExemplars(result: TargetResult, asked: Promise<Exemplar[]>): Promise<void> {
  try {
    result.exemplars = await asked;
  } catch (error) {
    if (isAbort(error)) throw error;
    result.exemplarProblem = `exemplars could not be read: ${errorText(error)}`;
  }
}

async function fetchTarget(request: PanelRequest, target: QueryTarget, share: QueryShare) {
  const { panel, scope, range } = request;
  const own = minIntervalOf(panel, target, scope);
  const maxDataPoints = panel.maxDataPoints ?? request.width;
  const step = computeStep(range, { maxDataPoints, minInterval: own ?? minStep }) * (target.intervalFactor ?? 1);
  const full = withBuiltins(scope, range, step, own ?? scrapeInterval);
  const expr = interpolateQuery(target.expr ?? '', full);
  const format = target.legendFormat ? interpolateText(target.legendFormat, full) : target.legendFormat;
  const result: TargetResult = { target, expr, names: [] };
  const wantsInstant = Boolean(target.instant);
  const wantsRange = !wantsInstant || Boolean(target.range);
  if (wantsInstant) result.instant = await share.instant(expr, range.to);
  if (wantsRange && !wantsInstant) {
    const { start, end } = alignRange(range, step);
    const asked = target.exemplar && panel.type === 'timeseries' ? share.exemplars(expr, range.from, range.to) : undefined;
    const [answer] = await Promise.all([share.range(expr, start, end, step), asked && addExemplars(result, asked)]);
    result.range = answer;
  }
  const labels = (result.range?.series ?? result.instant?.samples ?? []).map((s) => s.labels);
  result.names = seriesNames(labels, expr, format);
  return { result, step };
}

export async function fetchPanel(request: PanelRequest, share: QueryShare): Promise<PanelResult> {
  const range = panelRange(request.panel, request.range);
  const targets = (request.panel.targets ?? []).filter((t) => !t.hide && t.expr?.trim());
  const answers = await Promise.all(targets.map((t) => fetchTarget({ ...request, range }, t, share)));
  const notices = answers.flatMap(({ result }) => [...((result.range ?? result.instant)?.notices ?? []), ...(result.exemplarProblem ? [result.exemplarProblem] : [])]);
  return {
    targets: answers.map((a) => a.result),
    notices: [...new Set(notices)],
    range,
    step: Math.max(0, ...answers.map((a) => a.step)),
  };
}

