/** Numbers as the pages write them, in Grafana's units. */
import { formattedValueToString, getValueFormat } from '@grafana/data';

const format = (unit: string, decimals?: number) => (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? '–' : formattedValueToString(getValueFormat(unit)(value, decimals));

export const bytes = format('bytes');
export const percent = format('percentunit', 0);

/** CPU in millicores below one core, as kubectl writes it, with two significant digits where it is less than ten of them. */
export function cores(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (value >= 1) return value.toFixed(2);
  const millis = value * 1000;
  if (millis > 0 && millis < 0.001) return '< 0.001 m';
  return `${millis < 10 ? Number(millis.toPrecision(2)) : millis.toFixed(0)} m`;
}

/** CPU and its limit, both in the unit that suits the CPU. */
export function coresOf(value: number | undefined, limit: number): string {
  return `${cores(value)} / ${value !== undefined && value >= 1 ? limit.toFixed(2) : `${(limit * 1000).toFixed(0)} m`}`;
}
