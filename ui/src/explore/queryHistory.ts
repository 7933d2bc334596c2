/** The queries that were run in this browser, newest first, kept in localStorage. */
const key = 'tidewatch.explore.history';
const longest = 100;

export function readHistory(): string[] {
  try {
    const parsed: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(parsed) ? parsed.filter((item): item is string => typeof item === 'string') : [];
  } catch {
    return [];
  }
}

/** History with the queries in front, each once. */
export function remembered(history: string[], queries: string[]): string[] {
  const added = queries.map((q) => q.trim()).filter(Boolean);
  return [...new Set([...added, ...history])].slice(0, longest);
}

export function remember(queries: string[]): void {
  try {
    localStorage.setItem(key, JSON.stringify(remembered(readHistory(), queries)));
  } catch {
    // without storage there is no history
  }
}

export function forgetHistory(): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // without storage there is no history
  }
}
