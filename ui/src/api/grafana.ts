/** Grafana's dashboard API, same origin: the list of dashboards and one dashboard's JSON model. */
import type { DashboardModel } from '../grafana/model';
import { early } from './early';
import { getJson } from './http';

export interface DashboardHit {
  uid: string;
  title: string;
  tags?: string[];
  folderTitle?: string;
}

export function searchDashboards(signal?: AbortSignal): Promise<DashboardHit[]> {
  return getJson<DashboardHit[]>('/api/search?type=dash-db', signal);
}

export async function loadDashboard(uid: string, signal?: AbortSignal): Promise<DashboardModel> {
  const path = `/api/dashboards/uid/${encodeURIComponent(uid)}`;
  const body = await early(path, signal, (own) => getJson<{ dashboard: DashboardModel }>(path, own));
  return body.dashboard;
}
