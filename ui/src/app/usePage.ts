/** The component of a page; while another one loads, the last one stays. Not React's `lazy`: after a fallback it holds the page back for 300 ms. */
import { useEffect, useState } from 'react';
import { loadedPage, loadPage, type PageComponent } from './routes';

export interface LoadedPage {
  page: string;
  Component: PageComponent;
}

export function usePage(page: string | undefined): LoadedPage | undefined {
  const component = page === undefined ? undefined : loadedPage(page);
  const known = page !== undefined && component ? { page, Component: component } : undefined;
  const [last, setLast] = useState<LoadedPage | undefined>(known);
  const [failure, setFailure] = useState<unknown>();
  useEffect(() => {
    let current = true;
    if (page === undefined) return undefined;
    loadPage(page).then(
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
