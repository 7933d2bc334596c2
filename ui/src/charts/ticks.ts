/** Texts on the axes: values with as few decimals as tell the ticks apart, and times by how far apart the ticks are. Pure. */
import type { ChartAxis } from './model';

/** Ticks closer than a millionth of a millionth are not told apart. */
const mostDecimals = 12;

/** Equal but for the error of computing ticks; what is not a number cannot be told apart by decimals. */
const isSame = (a: number, b: number) => Number.isNaN(a) || Math.abs(a - b) <= 1e-9 * Math.abs(b);

/** All ticks of an axis with the same number of decimals, the fewest that show each tick exactly. A text is not repeated. */
export function valueTicks(tick: ChartAxis['tick'], values: number[]): string[] {
  const texts = (decimals: number) => values.map((v) => tick(v, decimals));
  const finest = texts(mostDecimals).map((shown) => Number(shown.number));
  const exact = (decimals: number) => texts(decimals).every((shown, i) => isSame(Number(shown.number), finest[i] as number));
  let decimals = 0;
  while (decimals < mostDecimals && !exact(decimals)) decimals++;
  return texts(decimals).map((s, i, shown) => (s.text === shown[i - 1]?.text ? '' : s.text));
}

/** A power on a logarithmic axis: exact when it is an ordinary number, otherwise as 1e-9. */
export function logTick(tick: ChartAxis['tick'], value: number): string {
  for (let decimals = 0; decimals < 4; decimals++) {
    const shown = tick(value, decimals);
    if (Number(shown.number) !== 0 && shown.number.length < 7 && Number(shown.number) === Number(tick(value, decimals + 3).number)) return shown.text;
  }
  return value.toExponential(0);
}

/** A duration in its two largest units: "45s", "12m", "2m 30s", "1h 5m", "2d 3h"; before the beginning with a minus sign. */
export function elapsedText(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds === 0) return '0s';
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return (ms < 0 ? '−' : '') + shown.map(([amount, unit]) => `${amount}${unit}`).join(' ');
}

const two = (n: number) => String(n).padStart(2, '0');

/** `increment` is the distance of two ticks, both in milliseconds. Midnight shows the date when ticks are closer than a day. */
export function timeTicks(values: number[], increment: number, span: number): string[] {
  const day = 86_400_000;
  return values.map((ms) => {
    const d = new Date(ms);
    const date = `${two(d.getMonth() + 1)}/${two(d.getDate())}`;
    if (increment >= 28 * day) return `${d.getFullYear()}-${two(d.getMonth() + 1)}`;
    if (increment >= day) return date;
    const clock = `${two(d.getHours())}:${two(d.getMinutes())}`;
    if (increment < 60_000) return `${clock}:${two(d.getSeconds())}`;
    return span > day && d.getHours() === 0 && d.getMinutes() === 0 ? date : clock;
  });
}
