/** Loads: presets, and their text in the URL (`c20x120_r20-160x60_s20-200x120_d5-90@14x86400`). Pure. */
import type { Segment } from '../api/simulation';

export type EditableSegment = Exclude<Segment, { kind: 'recorded' }>;
export type SegmentKind = EditableSegment['kind'];

export const segmentKinds: Record<SegmentKind, string> = { constant: 'Constant', ramp: 'Ramp', spike: 'Spike', daily: 'Daily curve' };

const day = 86_400;

export const secondsOf = (s: EditableSegment): number => (s.kind === 'daily' ? (s.seconds ?? day) : s.seconds);

/** Its rates: at its beginning, in the middle of a spike or at the end of a ramp. */
export function ratesOf(s: EditableSegment): [number, number] {
  if (s.kind === 'constant') return [s.rate, s.rate];
  if (s.kind === 'ramp') return [s.from, s.to];
  return s.kind === 'spike' ? [s.base, s.peak] : [s.low, s.high];
}

export function segmentOf(kind: SegmentKind, [first, second]: [number, number], seconds: number, peakHour = 14): EditableSegment {
  if (kind === 'constant') return { kind, rate: first, seconds };
  if (kind === 'ramp') return { kind, from: first, to: second, seconds };
  if (kind === 'spike') return { kind, base: first, peak: second, seconds };
  return { kind, low: first, high: second, peakHour, seconds };
}

/** A segment of another kind with the same rates and length. */
export function asKind(s: EditableSegment, kind: SegmentKind): EditableSegment {
  const [first, second] = ratesOf(s);
  const seconds = kind === 'daily' ? day : s.kind === 'daily' ? 600 : secondsOf(s);
  return segmentOf(kind, [first, second === first && kind !== 'constant' ? first * 4 : second], seconds);
}

const letters: Record<string, SegmentKind> = { c: 'constant', r: 'ramp', s: 'spike', d: 'daily' };

export function encodeLoad(segments: EditableSegment[]): string {
  return segments
    .map((s) => {
      const [first, second] = ratesOf(s);
      const rates = s.kind === 'constant' ? String(first) : `${first}-${second}`;
      const hour = s.kind === 'daily' && s.peakHour !== undefined && s.peakHour !== 14 ? `@${s.peakHour}` : '';
      return `${s.kind[0]}${rates}${hour}x${secondsOf(s)}`;
    })
    .join('_');
}

/** Undefined for a text that is no load. */
export function decodeLoad(text: string): EditableSegment[] | undefined {
  const segments = text.split('_').map((part): EditableSegment | undefined => {
    const match = /^([crsd])(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?(?:@(\d+(?:\.\d+)?))?x(\d+(?:\.\d+)?)$/.exec(part);
    if (!match) return undefined;
    const [, letter, first, second = first, hour, seconds] = match;
    return segmentOf(letters[letter as string] as SegmentKind, [Number(first), Number(second)], Number(seconds), hour === undefined ? undefined : Number(hour));
  });
  return segments.every((s) => s !== undefined) ? (segments as EditableSegment[]) : undefined;
}

export interface LoadPreset {
  name: string;
  /** Of a rate at which the fewest replicas are at rest. */
  segments: (rest: number) => EditableSegment[];
}

const round = (value: number): number => Number(value.toPrecision(3));
const constant = (rate: number, seconds: number) => segmentOf('constant', [round(rate), round(rate)], seconds);

export const loadPresets: LoadPreset[] = [
  { name: 'Step × 8', segments: (rest) => [constant(rest, 120), constant(8 * rest, 600), constant(rest, 900)] },
  { name: 'Stairs', segments: (rest) => [constant(rest, 180), ...[2, 4, 6, 8].map((n) => constant(n * rest, 300)), ...[4, 1].map((n) => constant(n * rest, 480))] },
  { name: 'Ramp', segments: (rest) => [constant(rest, 120), segmentOf('ramp', [round(rest), round(8 * rest)], 900), segmentOf('ramp', [round(8 * rest), round(rest)], 900), constant(rest, 600)] },
  { name: 'Spikes', segments: (rest) => [constant(rest, 180), ...[6, 9, 5].flatMap((n) => [segmentOf('spike', [round(rest), round(n * rest)], 240), constant(rest, 420)])] },
  { name: 'Flapping', segments: (rest) => Array.from({ length: 12 }, (_, i) => constant(i % 2 === 0 ? rest : 4 * rest, 150)) },
  { name: 'A day', segments: (rest) => [segmentOf('daily', [round(rest / 2), round(7 * rest)], day)] },
];
