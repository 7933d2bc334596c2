/** The pages as separately loaded chunks, and which path is which page. No React in here: main.ts uses it before React is loaded. */
import type { ComponentType } from 'react';

export type PageComponent = ComponentType<{ uid: string }>;

const loaders: Record<string, () => Promise<{ default: PageComponent }>> = {
  '/': () => import('../pages/Overview'),
  '/dashboards': () => import('../pages/Dashboards'),
  '/d': () => import('../pages/Dashboard'),
  '/explore': () => import('../pages/Explore'),
  '/targets': () => import('../pages/Targets'),
  '/alerts': () => import('../pages/Alerts'),
  '/alerts/groups': () => import('../pages/AlertGroups'),
  '/alerts/silences': () => import('../pages/Silences'),
  '/alerts/notifications': () => import('../pages/Notifications'),
  '/alerts/rules': () => import('../pages/Rules'),
  '/slos': () => import('../pages/Slos'),
  '/runbooks': () => import('../pages/Runbook'),
  '/graph': () => import('../pages/Graph'),
  '/query': () => import('../pages/Graph'),
  '/traces': () => import('../pages/Traces'),
  '/trace': () => import('../pages/Trace'),
  '/traces/compare': () => import('../pages/TraceCompare'),
  '/services': () => import('../pages/Services'),
  '/scaling': () => import('../pages/Scaling'),
  '/scaling/simulate': () => import('../pages/Simulate'),
};

export interface Route {
  /** Which page; undefined when there is none at this path. */
  page: string | undefined;
  /** Of a dashboard, a trace or a runbook, otherwise empty. */
  uid: string;
  /** Why there is no page, where the path tells. */
  hint?: string;
}

/** Only with the name of what they show. */
const namedPages = ['/d', '/trace', '/runbooks'];

const hint = 'A % in an address has to be followed by two hexadecimal digits: %25 stands for the % itself.';

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export function routeOf(path: string): Route {
  const named = /^(\/d|\/trace|\/runbooks)\/([^/]+)/.exec(path);
  if (named) {
    const uid = decoded(named[2] as string);
    return uid === undefined ? { page: undefined, uid: '', hint } : { page: named[1], uid };
  }
  return { page: path in loaders && !namedPages.includes(path) ? path : undefined, uid: '' };
}

const loaded: Record<string, PageComponent> = {};

export const loadedPage = (page: string): PageComponent | undefined => loaded[page];

export async function loadPage(page: string): Promise<PageComponent> {
  const module = await (loaders[page] as (typeof loaders)[string])();
  return (loaded[page] = module.default);
}
