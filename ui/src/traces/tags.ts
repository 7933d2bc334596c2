/**
 * The tags of a search as a person writes them: `key=value` separated by spaces, values and keys with spaces in double quotes, as in logfmt. Pure.
 */
export interface ParsedTags {
  tags: Record<string, string>;
  /** What is wrong with the text, with a remedy. */
  error?: string;
}

const token = /\s*("(?:[^"\\]|\\.)*"|[^\s="]+)(?:(=)("(?:[^"\\]|\\.)*"|[^\s"]*))?(?=\s|$)/y;

const plain = (text: string): string => (text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text);

export function parseTags(text: string): ParsedTags {
  const tags: Record<string, string> = {};
  const whole = text.trimEnd();
  token.lastIndex = 0;
  while (token.lastIndex < whole.length) {
    const at = token.lastIndex;
    const match = token.exec(whole);
    if (!match) return { tags, error: `“${whole.slice(at).trim()}” cannot be read; hint: key=value, with quotes around a value that has spaces` };
    const [, key = '', equals, value = ''] = match;
    if (!equals) return { tags, error: `“${plain(key)}” has no value; hint: ${plain(key)}=value` };
    tags[plain(key)] = plain(value);
  }
  return { tags };
}

const quoted = (text: string): string => (/^[^\s="\\]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`);

/** What parseTags reads back. */
export function formatTags(tags: Record<string, string>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${quoted(key)}=${/^[^\s"\\]+$/.test(value) ? value : quoted(value)}`)
    .join(' ');
}
