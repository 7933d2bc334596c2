/** Texts on the axes: values with as few decimals as tell the ticks apart, and times by how far apart the ticks are. Pure. */
import type { ChartAxis } from './model';

/** All ticks of an axis with the same number of decimals, the fewest that show each tick exactly. A text is not repeated. */
export function valueTicks(tick: ChartAxis['tick'], values: number[]): string[] {
  for (let decimals = 0; decimals < 5; decimals++) {
    const shown = values.map((v) => tick(v, decimals));
    const exact = values.every((v, i) => Number(shown[i]?.number) === Number(tick(v, decimals + 3).number));
    if (exact || decimals === 4) return shown.map((s, i) => (s.text === shown[i - 1]?.text ? '' : s.text));
  }
  return [];
}

/** A power on a logarithmic axis: exact when it is an ordinary number, otherwise as 1e-9. */
export function logTick(tick: ChartAxis['tick'], value: number): string {
  for (let decimals = 0; decimals < 4; decimals++) {
    const shown = tick(value, decimals);
    if (Number(shown.number) !== 0 && shown.number.length < 7 && Number(shown.number) === Number(tick(value, decimals + 3).number)) return shown.text;
  }
  return value.toExponential(0);
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
