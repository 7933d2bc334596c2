/** Numbers as the pages write them, in Grafana's units. */
import { formattedValueToString, getValueFormat } from '@grafana/data';

const format = (unit: string, decimals?: number) => (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? '–' : formattedValueToString(getValueFormat(unit)(value, decimals));

export const bytes = format('bytes');
export const percent = format('percentunit', 0);

/** CPU in millicores below one core, as kubectl writes it. */
export function cores(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  return value < 1 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} m` : value.toFixed(2);
}
