/** Where an alert's labels and annotations lead: its runbook, and the places where its cause can be seen. Pure. */
import type { Labels } from '../api/prometheus';
import { searchHref } from '../traces/searchState';
import { formatTags } from '../traces/tags';
import { comparedIn } from './expression';
import type { AlertRow } from './model';

export interface Place {
  href: string;
  label: string;
  /** On another server. */
  outside?: boolean;
}

const isWeb = (url: string): boolean => /^https?:\/\//i.test(url);
const runbookPath = /(?:^|\/)(?:user|docs\/runbooks|runbooks)\/([\w.-]+?)(?:\.md)?(?:[#?].*)?$/;

/** The page of a runbook: within this page where it is one of ours, whatever host and port its address names. */
export function runbookPlace(url: string | undefined, alert: string): Place | undefined {
  const text = url?.trim();
  if (!text) return undefined;
  const own = runbookPath.exec(text)?.[1];
  const isOwn = own !== undefined && (!isWeb(text) || /\/user\/[\w.-]+\.md(?:[#?].*)?$/.test(text));
  if (isOwn) return { href: `/runbooks/${encodeURIComponent(own)}`, label: 'Runbook' };
  if (isWeb(text)) return { href: text, label: 'Runbook', outside: true };
  return { href: `/runbooks/${encodeURIComponent(alert)}`, label: 'Runbook' };
}

export const exploreHref = (...queries: string[]): string => `/explore?${new URLSearchParams(queries.map((q) => ['q', q]))}`;

export const alertHref = ({ key }: Pick<AlertRow, 'key'>): string => `/alerts?open=${key}`;

/** Services as traces name them; the `job` of a scrape is the service's name here. */
const serviceOf = (labels: Labels): string | undefined => labels.service_name ?? labels.service ?? labels.app ?? labels.job;

const aboutErrors = /error|5xx|fail|refus|letter/i;

/** The most direct one first. */
export function causes({ name, labels, annotations, of }: AlertRow): Place[] {
  const places: Place[] = [];
  const { namespace, pod, deployment } = labels;
  if (pod && namespace) places.push({ href: `/?pod=${encodeURIComponent(`${namespace}/${pod}`)}`, label: 'Pod and log' });
  const isTarget = of !== undefined && /\b(?:up|scrape_\w+)\b/.test(of.rule.query.replace(/"[^"]*"/g, '')) && !pod;
  if (isTarget) places.push({ href: '/targets?state=down', label: 'Targets' });
  if (labels.horizontalpodautoscaler) places.push({ href: deployment && namespace ? `/scaling?workload=${encodeURIComponent(`${namespace}/${deployment}`)}` : '/scaling', label: 'Scaling' });
  const service = serviceOf(labels);
  const isTraced = service !== undefined && of !== undefined && /http_|traces_|events_|grpc_/.test(of.rule.query);
  if (isTraced) {
    const failed = aboutErrors.test(name);
    places.push({ href: searchHref({ service, ...(failed ? { tags: formatTags({ error: 'true' }) } : {}) }), label: failed ? 'Failed traces' : 'Traces' });
  }
  if (labels.slo) places.push({ href: `/slos#${encodeURIComponent(`${namespace ?? ''}/${labels.slo}`)}`, label: 'Objective' });
  const dashboard = annotations.dashboard_url ?? annotations.dashboard;
  if (dashboard && (isWeb(dashboard) || dashboard.startsWith('/'))) places.push({ href: dashboard, label: 'Dashboard', outside: isWeb(dashboard) });
  if (of) places.push({ href: exploreHref(...comparedIn(of.rule.query).map((part) => part.expr)), label: 'Explore' });
  return places;
}
