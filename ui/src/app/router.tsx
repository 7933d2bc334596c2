/**
 * Client-side routes: the current URL as a store, links that do not reload the page, and changes of single query parameters.
 * Input: the browser's history. The server answers every unknown path with index.html.
 */
import type { AnchorHTMLAttributes, MouseEvent } from 'react';
import { Store, useStore } from './store';

const here = () => new URL(window.location.href);
const location = new Store(here());

window.addEventListener('popstate', () => location.set(here()));

export function navigate(path: string, options: { replace?: boolean } = {}): void {
  const target = new URL(path, window.location.href);
  if (target.href === window.location.href) return;
  if (options.replace) window.history.replaceState(null, '', target);
  else window.history.pushState(null, '', target);
  location.set(target);
}

export const currentUrl = (): URL => location.get();

export function useUrl(): URL {
  return useStore(location);
}

/** Sets (or with undefined removes) query parameters of the current URL; a list sets a repeated parameter. */
export function setParameters(changes: Record<string, string | string[] | undefined>, options?: { replace?: boolean }): void {
  const url = here();
  for (const [name, value] of Object.entries(changes)) {
    url.searchParams.delete(name);
    const values = value === undefined ? [] : Array.isArray(value) ? value : [value];
    for (const item of values) url.searchParams.append(name, item);
  }
  navigate(url.pathname + url.search, options);
}

export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
    window.scrollTo(0, 0);
  };
  return <a href={href} onClick={follow} {...rest} />;
}
