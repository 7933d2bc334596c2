/**
 * The pages as separately loaded chunks. `startLoading` begins with the chunk, and with a dashboard's JSON, before React is there, so that
 * everything is loaded at once. Not React's `lazy`: after showing a fallback it holds the page back for 300 ms.
 */
import { useEffect, useState, type ComponentType } from 'react';
import { loadDashboard } from '../api/grafana';
import type { DashboardModel } from '../grafana/model';

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
  uid: string;
}

export function routeOf(path: string): Route {
  const dashboard = /^\/d\/([^/]+)/.exec(path);
  if (dashboard) return { page: '/d', uid: decodeURIComponent(dashboard[1] as string) };
  return { page: path in loaders && path !== '/d' ? path : undefined, uid: '' };
}

const loaded: Record<string, PageComponent> = {};

async function load(page: string): Promise<PageComponent> {
  const module = await (loaders[page] as (typeof loaders)[string])();
  return (loaded[page] = module.default);
}

const dashboards = new Map<string, Promise<DashboardModel>>();

/** The dashboard that startLoading has already asked for, once; later visits ask again. */
export function takeDashboard(uid: string, signal: AbortSignal): Promise<DashboardModel> {
  const started = dashboards.get(uid);
  dashboards.delete(uid);
  return started ?? loadDashboard(uid, signal);
}

export function startLoading(path: string): Promise<unknown> {
  const { page, uid } = routeOf(path);
  if (page === '/d') {
    const dashboard = loadDashboard(uid);
    dashboard.catch(() => undefined); // reported where it is taken
    dashboards.set(uid, dashboard);
  }
  return page ? load(page) : Promise.resolve();
}

export interface LoadedPage {
  page: string;
  Component: PageComponent;
}

/** The component of a page; while another one loads, the last one stays. */
export function usePage(page: string | undefined): LoadedPage | undefined {
  const known = page !== undefined && loaded[page] ? { page, Component: loaded[page] } : undefined;
  const [last, setLast] = useState<LoadedPage | undefined>(known);
  const [failure, setFailure] = useState<unknown>();
  useEffect(() => {
    let current = true;
    if (page === undefined) return undefined;
    load(page).then(
      (Component) => current && setLast({ page, Component }),
      (error: unknown) => current && setFailure(error),
    );
    return () => {
      current = false;
    };
  }, [page]);
  if (failure !== undefined) throw failure;
  return known ?? last;
}
