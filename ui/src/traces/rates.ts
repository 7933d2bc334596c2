/** Rates and shares as the pages of services write them, and from when on a share is bad. Pure. */

/** From this share of errors on, boxes and lines are red. */
export const badShare = 0.01;

/** A line and the box it leads to count differently; said where both are shown. */
export const failedHelp = 'Errors of a line are calls that either side reports as failed; a caller also counts 4xx answers. Errors of a box are only those that the service itself reports.';

/** "12.4/s", "3.2/min". */
export function rateText(rate: number | undefined): string {
  if (rate === undefined) return '–';
  if (rate === 0) return '0/s';
  return rate >= 0.1 ? `${Number(rate.toPrecision(3))}/s` : `${Number((rate * 60).toPrecision(2))}/min`;
}

export function shareText(share: number | undefined): string {
  if (share === undefined) return '–';
  const percent = share * 100;
  if (percent === 0) return '0 %';
  return percent < 0.1 ? '< 0.1 %' : `${percent < 10 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}
