/** Markdown and HTML of text panels as safe HTML, by `@grafana/data`. Loaded on demand. */
import { renderMarkdown, textUtil } from '@grafana/data';

export function renderText(text: string, mode: string): string {
  return mode === 'html' ? textUtil.sanitize(text) : renderMarkdown(text);
}
