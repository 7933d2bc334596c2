/** Alertmanager's API v2, same origin, and the history of notifications, which is tidewatch's own. Reading gives undefined where the server has no Alertmanager. */
import { deleteAt, getJson, isMissing, postJson } from './http';
import type { Labels } from './prometheus';

export interface ManagedAlert {
  labels: Labels;
  annotations: Labels;
  /** RFC 3339. */
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  fingerprint: string;
  generatorURL?: string;
  receivers: { name: string }[];
  status: { state: 'active' | 'suppressed' | 'unprocessed'; silencedBy: string[]; inhibitedBy: string[]; mutedBy?: string[] | null };
}

export interface AlertGroup {
  labels: Labels;
  receiver: { name: string };
  alerts: ManagedAlert[];
}

export interface SilenceMatcher {
  name: string;
  value: string;
  isRegex: boolean;
  /** Left out means true. */
  isEqual?: boolean;
}

export interface SilenceInput {
  /** Of the silence that it changes. */
  id?: string;
  matchers: SilenceMatcher[];
  /** RFC 3339. */
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
}

export interface Silence extends SilenceInput {
  id: string;
  updatedAt: string;
  status: { state: 'active' | 'pending' | 'expired' };
}

export interface ManagerStatus {
  config?: { original: string };
  uptime?: string;
  versionInfo?: { version?: string };
  cluster?: { status?: string; peers?: { name: string; address: string }[] | null };
}

async function orNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** A server without an Alertmanager is not asked for alerts again before, although every refresh of every page would. */
const absentMs = 60_000;
let absentUntil = 0;

/** All, or those that matchers such as `job="api"` choose. */
export async function managedAlerts(filter: string[] = [], signal?: AbortSignal): Promise<ManagedAlert[] | undefined> {
  if (Date.now() < absentUntil) return undefined;
  const parameters = new URLSearchParams(filter.map((matcher) => ['filter', matcher]));
  const text = parameters.toString();
  const alerts = await orNone(getJson<ManagedAlert[]>(`/api/v2/alerts${text ? `?${text}` : ''}`, signal));
  absentUntil = alerts === undefined ? Date.now() + absentMs : 0;
  return alerts;
}

export const alertGroups = (signal?: AbortSignal): Promise<AlertGroup[] | undefined> => orNone(getJson<AlertGroup[]>('/api/v2/alerts/groups', signal));
export const silences = (signal?: AbortSignal): Promise<Silence[] | undefined> => orNone(getJson<Silence[]>('/api/v2/silences', signal));
export const receivers = (signal?: AbortSignal): Promise<{ name: string }[] | undefined> => orNone(getJson<{ name: string }[]>('/api/v2/receivers', signal));
export const managerStatus = (signal?: AbortSignal): Promise<ManagerStatus | undefined> => orNone(getJson<ManagerStatus>('/api/v2/status', signal));

/** The id of the silence: a new one where the matchers or the beginning of one that is in force are changed. */
export async function setSilence(silence: SilenceInput): Promise<string> {
  return (await postJson<{ silenceID: string }>('/api/v2/silences', silence)).silenceID;
}

export const expireSilence = (id: string): Promise<void> => deleteAt(`/api/v2/silence/${encodeURIComponent(id)}`);

export interface NotificationRecord {
  /** RFC 3339. */
  time: string;
  receiver: string;
  integration: string;
  groupKey: string;
  groupLabels: Labels;
  alerts: { labels: Labels; status: 'firing' | 'resolved' }[];
  attempts: number;
  outcome: 'delivered' | 'failed' | 'retrying';
  error?: string;
  durationMs: number;
}

/** Newest first. */
export async function notificationHistory(limit: number, signal?: AbortSignal): Promise<NotificationRecord[] | undefined> {
  return (await orNone(getJson<{ notifications: NotificationRecord[] }>(`/api/tidewatch/v1/notifications?limit=${limit}`, signal)))?.notifications;
}
