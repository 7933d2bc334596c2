/** The pages as separately loaded chunks. `startLoading` fetches the chunk of a path before React renders, so that both happen at once. */
export const loadPage = {
  overview: () => import('../pages/Overview'),
  dashboards: () => import('../pages/Dashboards'),
  dashboard: () => import('../pages/Dashboard'),
  explore: () => import('../pages/Explore'),
  targets: () => import('../pages/Targets'),
};

export function startLoading(path: string): void {
  const page = path.startsWith('/d/') ? 'dashboard' : path === '/' ? 'overview' : path.slice(1);
  if (page in loadPage) void loadPage[page as keyof typeof loadPage]();
}
