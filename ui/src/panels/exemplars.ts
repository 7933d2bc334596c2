/** The exemplars of a panel's targets as its chart shows them: thinned, with texts, and with a link to the trace that each was measured in. Pure. */
import type { Exemplar } from '../api/prometheus';
import { thinExemplars } from '../charts/exemplars';
import type { ChartExemplar, ChartModel } from '../charts/model';
import { seriesText } from '../grafana/legend';
import { formatAbsolute } from '../time/range';
import type { PanelResult } from './fetch';

const columns = 90;

const traceNames = ['trace_id', 'traceID', 'traceId', 'TraceID'];
const spanNames = ['span_id', 'spanID', 'spanId'];

const labelOf = ({ labels }: Exemplar, names: string[]): string | undefined => names.map((name) => labels[name]).find((value) => value);

export function exemplarHref(exemplar: Exemplar): string | undefined {
  const trace = labelOf(exemplar, traceNames);
  const span = labelOf(exemplar, spanNames);
  return trace && `/trace/${encodeURIComponent(trace)}${span ? `?span=${encodeURIComponent(span)}` : ''}`;
}

export function chartExemplars(result: PanelResult, model: ChartModel): ChartExemplar[] | undefined {
  const all = result.targets.flatMap((target) => target.exemplars ?? []);
  const scale = model.axes[0]?.scale;
  if (all.length === 0 || scale === undefined) return undefined;
  const format = model.series.find((s) => s.scale === scale)?.format ?? String;
  // of a histogram the same exemplar may belong to several series that the expression reads
  const own = new Map(all.map((e) => [`${e.timeMs} ${e.value} ${labelOf(e, traceNames) ?? JSON.stringify(e.labels)}`, e]));
  return thinExemplars([...own.values()], result.range, columns).map((exemplar): ChartExemplar => {
    const href = exemplarHref(exemplar);
    return {
      timeMs: exemplar.timeMs,
      value: exemplar.value,
      scale,
      href,
      title: `${format(exemplar.value)} at ${formatAbsolute(exemplar.timeMs)}`,
      facts: [...Object.entries(exemplar.labels), ['series', seriesText(exemplar.series, '{}')], ...(href ? ([['click', 'opens the trace']] as [string, string][]) : [])],
    };
  });
}
