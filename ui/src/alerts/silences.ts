/** What the form of a silence holds, and the request that it makes of it. Pure. */
import type { Silence, SilenceInput, SilenceMatcher } from '../api/alertmanager';
import type { Labels } from '../api/prometheus';
import { formatDuration, parseDuration } from '../time/duration';
import { formatAbsolute, parseTime } from '../time/range';

export type MatcherOp = '=' | '!=' | '=~' | '!~';

export interface MatcherDraft {
  name: string;
  op: MatcherOp;
  value: string;
}

export interface SilenceDraft {
  /** Of the silence that is changed. */
  id?: string;
  matchers: MatcherDraft[];
  /** Empty: now. */
  starts: string;
  /** A duration ("2h") or a moment. */
  ends: string;
  createdBy: string;
  comment: string;
}

export const opOf = ({ isRegex, isEqual }: SilenceMatcher): MatcherOp => `${isEqual === false ? '!' : ''}${isRegex ? '=~' : '='}`.replace('!=~', '!~') as MatcherOp;

export const draftMatcher = (matcher: SilenceMatcher): MatcherDraft => ({ name: matcher.name, op: opOf(matcher), value: matcher.value });

/** As Alertmanager reads it. */
export const matcherText = ({ name, op, value }: MatcherDraft): string => `${name}${op}${JSON.stringify(value)}`;

/** Of one alert, and of no other: all of its labels but those that are there without having been asked for. */
export const matchersOf = (labels: Labels): MatcherDraft[] =>
  Object.entries(labels)
    .sort(([a], [b]) => (a === 'alertname' ? -1 : b === 'alertname' ? 1 : a < b ? -1 : 1))
    .map(([name, value]) => ({ name, op: '=' as const, value }));

/** One that is over begins anew with its own length; another one keeps its times. */
export function draftOf(silence: Silence): SilenceDraft {
  const over = silence.status.state === 'expired';
  const length = Date.parse(silence.endsAt) - Date.parse(silence.startsAt);
  return {
    id: over ? undefined : silence.id,
    matchers: silence.matchers.map(draftMatcher),
    starts: over ? '' : formatAbsolute(Date.parse(silence.startsAt)),
    ends: over ? formatDuration(Math.max(60_000, Math.round(length / 60_000) * 60_000)) : formatAbsolute(Date.parse(silence.endsAt)),
    createdBy: silence.createdBy,
    comment: silence.comment,
  };
}

/** The same moment, to the second that the form shows, stays what it was: another beginning would make another silence. */
function keep(shown: string, ms: number, was: string | undefined): string {
  if (was !== undefined && formatAbsolute(Date.parse(was)) === shown.trim()) return was;
  return new Date(ms).toISOString();
}

export type Checked = { ok: SilenceInput } | { problem: string };

/** The request, or the first thing that is wrong. `original` is the silence that is changed. */
export function checkDraft(draft: SilenceDraft, now: number, original?: Silence): Checked {
  const matchers = draft.matchers.filter((m) => m.name.trim() !== '' || m.value !== '');
  if (matchers.length === 0) return { problem: 'A silence needs at least one matcher.' };
  const unnamed = matchers.find((m) => m.name.trim() === '');
  if (unnamed) return { problem: `The matcher of “${unnamed.value}” has no label name.` };
  const emptyMatch = ({ op, value }: MatcherDraft) => (op === '=' && value === '') || (op === '=~' && ['', '.*'].includes(value)) || (op === '!=' && value !== '') || (op === '!~' && value !== '');
  if (matchers.every(emptyMatch)) return { problem: 'At least one matcher has to refuse the empty value, or it would silence everything.' };
  const starts = draft.starts.trim() === '' ? now : parseTime(draft.starts, now);
  if (starts === undefined) return { problem: `The beginning “${draft.starts}” is not a moment.` };
  const length = parseDuration(draft.ends);
  const ends = length !== undefined ? Math.max(starts, now) + length : parseTime(draft.ends, now);
  if (ends === undefined) return { problem: `The end “${draft.ends}” is neither a duration such as 2h nor a moment.` };
  if (ends <= Math.max(starts, now)) return { problem: 'The end is not after the beginning, or is over.' };
  if (draft.createdBy.trim() === '') return { problem: 'Who silences it?' };
  if (draft.comment.trim() === '') return { problem: 'Why is it silenced? The comment is what others will read.' };
  return {
    ok: {
      ...(draft.id ? { id: draft.id } : {}),
      matchers: matchers.map(({ name, op, value }) => ({ name: name.trim(), value, isRegex: op.endsWith('~'), isEqual: !op.startsWith('!') })),
      startsAt: keep(draft.starts, starts, original?.startsAt),
      endsAt: keep(draft.ends, ends, original?.endsAt),
      createdBy: draft.createdBy.trim(),
      comment: draft.comment.trim(),
    },
  };
}

export const durations = ['30m', '1h', '2h', '8h', '1d', '1w'];

const creatorKey = 'tidewatch.creator';

/** Who silenced last in this browser. */
export function rememberedCreator(): string {
  try {
    return localStorage.getItem(creatorKey) ?? '';
  } catch {
    return '';
  }
}

export function rememberCreator(name: string): void {
  try {
    localStorage.setItem(creatorKey, name);
  } catch {
    // it is asked for again
  }
}
