/** The scales of the scatter: durations, logarithmic where they differ much, and times with round ticks. Pure. */
import { roundInterval } from '../time/step';
import { roundTicks } from './duration';

export interface Scale {
  /** 0 to 1. */
  place: (value: number) => number;
  ticks: number[];
}

const clamp = (share: number): number => Math.min(1, Math.max(0, share));

/** Of durations in microseconds. Logarithmic from a spread of thirty: one slow trace would press all others to the ground. */
export function durationScale(durations: number[], most: number): Scale {
  const high = Math.max(1, ...durations);
  const low = Math.max(1, Math.min(high, ...durations));
  if (high / low < 30) {
    const top = high * 1.08;
    return { place: (value) => clamp(value / top), ticks: roundTicks(0, top, most) };
  }
  const from = Math.log10(low) - 0.15;
  const to = Math.log10(high) + 0.15;
  const ticks: number[] = [];
  const stride = Math.max(1, Math.ceil((to - from) / most));
  const digits = to - from <= most / 3 ? [1, 2, 5] : [1];
  for (let power = Math.floor(from); power <= to; power += stride) {
    for (const digit of digits) ticks.push(digit * 10 ** power);
  }
  const place = (value: number) => (Math.log10(Math.max(1, value)) - from) / (to - from);
  return { place: (value) => clamp(place(value)), ticks: ticks.filter((t) => place(t) >= 0 && place(t) <= 1) };
}

/** Of milliseconds since the epoch; the distance of the ticks as well, for their texts. */
export function timeScale(range: { from: number; to: number }, most: number): Scale & { step: number } {
  const span = Math.max(1, range.to - range.from);
  // an interval may be rounded down
  let wanted = span / Math.max(1, most);
  while (span / roundInterval(wanted) > most) wanted *= 1.5;
  const step = roundInterval(wanted);
  const offset = new Date(range.from).getTimezoneOffset() * 60_000;
  const ticks: number[] = [];
  for (let t = Math.ceil((range.from - offset) / step) * step + offset; t <= range.to; t += step) ticks.push(t);
  return { place: (value) => clamp((value - range.from) / span), ticks, step };
}
