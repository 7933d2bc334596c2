/**
 * Light or dark: follows the system until the reader chooses, and remembers the choice in the browser. public/theme.js sets the same attribute
 * before the first paint.
 */
import { colorTheme, type ColorTheme, type ThemeName } from '../grafana/theme';
import { Store, useStore } from './store';

const storageKey = 'tidewatch.theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');

function stored(): ThemeName | undefined {
  try {
    const value = localStorage.getItem(storageKey);
    return value === 'dark' || value === 'light' ? value : undefined;
  } catch {
    return undefined;
  }
}

const systemTheme = (): ThemeName => (system.matches ? 'dark' : 'light');
const theme = new Store<ThemeName>(stored() ?? systemTheme());

function show(name: ThemeName): void {
  document.documentElement.dataset.theme = name;
  theme.set(name);
}

show(theme.get());
system.addEventListener('change', () => {
  if (!stored()) show(systemTheme());
});

export function toggleTheme(): void {
  const next = theme.get() === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem(storageKey, next);
  } catch {
    // the choice then holds for this page only
  }
  show(next);
}

export function useTheme(): ColorTheme {
  return colorTheme(useStore(theme));
}
