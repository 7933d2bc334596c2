/** The pages as separately loaded chunks, and which path is which page. No React in here: main.ts uses it before React is loaded. */
import type { ComponentType } from 'react';

export type PageComponent = ComponentType<{ uid: string }>;

const loaders: Record<string, () => Promise<{ default: PageComponent }>> = {
  '/': () => import('../pages/Overview'),
  '/dashboards': () => import('../pages/Dashboards'),
  '/d': () => import('../pages/Dashboard'),
  '/explore': () => import('../pages/Explore'),
  '/targets': () => import('../pages/Targets'),
};

export interface Route {
  /** Which page; undefined when there is none at this path. */
  page: string | undefined;
  /** Of a dashboard, otherwise empty. */
  uid: string;
}

export function routeOf(path: string): Route {
  const dashboard = /^\/d\/([^/]+)/.exec(path);
  if (dashboard) return { page: '/d', uid: decodeURIComponent(dashboard[1] as string) };
  return { page: path in loaders && path !== '/d' ? path : undefined, uid: '' };
}

const loaded: Record<string, PageComponent> = {};

export const loadedPage = (page: string): PageComponent | undefined => loaded[page];

export async function loadPage(page: string): Promise<PageComponent> {
  const module = await (loaders[page] as (typeof loaders)[string])();
  return (loaded[page] = module.default);
}
