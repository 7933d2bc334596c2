/**
 * Stands in for `@grafana/i18n` in the bundle: every text of `@grafana/data` is used in its English default.
 * Used only through the alias in vite.config.ts.
 */
export function t(_key: string, text: string): string {
  return text;
}
