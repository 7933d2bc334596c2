/** The numbers of an objective, from what its series say, and what can honestly be said of them. Pure. */
import type { Slo } from '../api/slos';
import { elapsedText } from '../charts/ticks';
import { parseDuration } from '../time/duration';

export interface ObjectiveNumbers {
  /** Share of bad events over the window; undefined where nothing is known. */
  sliError?: number;
  /** Share of the budget; negative when more was used than there was. */
  remaining?: number;
  /** By window, from the shortest. */
  burnRates: [string, number | undefined][];
  /** Events in the window. */
  events?: number;
  failures?: number;
}

const quoted = (text: string): string => JSON.stringify(text);

/** Events and failures of the whole window: rates were recorded, so their mean times the window. */
export function countQueries({ namespace, service, name, window }: Slo): { events: string; failures: string } {
  const own = `{namespace=${quoted(namespace)}, service=${quoted(service)}, slo=${quoted(name)}}`;
  // a rate of 30 s steps summed up; what was before the first one is not counted
  const total = (series: string) => `sum(sum_over_time(${series}${own}[${window}:1m])) * 60`;
  return { events: total('slo:events:rate5m'), failures: total('slo:failures:rate5m') };
}

/** "99.5 %": as many digits as tell it from 100 %. */
export function shareText(share: number): string {
  const percent = 100 * share;
  const away = Math.min(Math.abs(100 - percent), Math.abs(percent));
  const digits = away === 0 || away >= 10 ? (away >= 10 ? 1 : 0) : Math.min(5, 2 - Math.floor(Math.log10(away)) - (away >= 1 ? 0 : 1));
  return `${Number(percent.toFixed(Math.max(0, digits)))} %`;
}

export const countText = (count: number): string => (count >= 10_000 ? `${Number((count / 1000).toPrecision(3))} k` : count >= 10 ? String(Math.round(count)) : String(Number(count.toFixed(1))));

export type Standing = 'unknown' | 'idle' | 'kept' | 'burning' | 'spent';

export function standingOf({ sliError, remaining, burnRates, events }: ObjectiveNumbers): Standing {
  if (sliError === undefined || remaining === undefined) return 'unknown';
  if (events !== undefined && events < 0.5) return 'idle';
  if (remaining <= 0) return 'spent';
  const hour = burnRates.find(([window]) => window === '1h')?.[1];
  return hour !== undefined && hour > 1 ? 'burning' : 'kept';
}

export const standingText: Record<Standing, string> = { unknown: 'no data', idle: 'no traffic', kept: 'kept', burning: 'burning', spent: 'budget spent' };

/** What the numbers do not say by themselves: how long the budget lasts, how much one failure weighs, that there is nothing to judge. */
export function remarks(slo: Slo, numbers: ObjectiveNumbers): string[] {
  const { events, failures, remaining, burnRates } = numbers;
  const standing = standingOf(numbers);
  if (standing === 'unknown') return ['Nothing has been measured: the service was never seen here, or its metrics have other names than the objective expects. That says nothing about how it does.'];
  if (standing === 'idle') return ['There was no traffic: nothing failed because nothing was asked. The budget is whole, which proves nothing.'];
  const said: string[] = [];
  const windowMs = parseDuration(slo.window) ?? 0;
  const hour = burnRates.find(([window]) => window === '1h')?.[1];
  if (standing === 'burning' && hour !== undefined && remaining !== undefined) said.push(`At the rate of the last hour the rest of the budget lasts ${elapsedText((remaining * windowMs) / hour)}.`);
  if (events !== undefined) {
    const allowed = events * (1 - slo.objective);
    const soFar = failures === undefined ? '' : `, ${countText(failures)} of them ${slo.kind === 'latency' ? 'too slow' : 'bad'}`;
    said.push(`${countText(events)} events in ${slo.window}${soFar}; ${countText(allowed)} may be.`);
    if (allowed < 1) said.push(`So few events that a single failure uses ${Math.round(100 / Math.max(allowed, 1e-9))} % of the budget: the share says little. Alerts want several failures before they fire.`);
  }
  return said;
}

/** How bad a burn rate is, by the windows of the Site Reliability Workbook: above 1 the budget does not last. */
export function burnLevel(rate: number | undefined): '' | 'good' | 'warn' | 'bad' {
  if (rate === undefined) return '';
  return rate > 6 ? 'bad' : rate > 1 ? 'warn' : 'good';
}
