/**
 * The box beside the pointer: the time, and the value of the nearest series or of all of them. Input: the chart's model and the cursor's place.
 * It is built by hand, outside React: it changes with every movement of the mouse.
 */
import { formatAbsolute } from '../time/range';
import { elapsedText } from './ticks';
import type { ChartModel, ChartSeries } from './model';

export interface TooltipOptions {
  mode: 'single' | 'multi' | 'none';
  sort: 'none' | 'asc' | 'desc';
}

const maxRows = 24;

export interface TooltipRow {
  series: ChartSeries;
  value: number;
}

/** The rows to show at a time index, the nearest series marked by the caller. */
export function tooltipRows(model: ChartModel, at: number, options: TooltipOptions, nearest: number | undefined): TooltipRow[] {
  if (options.mode === 'single') {
    const series = nearest === undefined ? undefined : model.series[nearest];
    const value = series?.values[at];
    return series && value != null ? [{ series, value }] : [];
  }
  const rows = model.series.flatMap((series) => {
    const value = series.values[at];
    return value == null || series.hidden.tooltip || series.hidden.chart ? [] : [{ series, value }];
  });
  if (options.sort === 'asc') rows.sort((a, b) => a.value - b.value);
  if (options.sort === 'desc') rows.sort((a, b) => b.value - a.value);
  return rows;
}

function element(className: string, text = ''): HTMLElement {
  const div = document.createElement('div');
  div.className = className;
  div.textContent = text;
  return div;
}

function rowElement({ series, value }: TooltipRow, highlighted: boolean): HTMLElement {
  const row = element(highlighted ? 'tip-row near' : 'tip-row');
  const swatch = element('tip-swatch');
  swatch.style.background = series.color;
  row.append(swatch, element('tip-name', series.name), element('tip-value', series.format(value)));
  return row;
}

/** Keeps the highlighted row among the shown ones when there are too many. */
function window(rows: TooltipRow[], near: ChartSeries | undefined): TooltipRow[] {
  if (rows.length <= maxRows) return rows;
  const at = Math.max(0, rows.findIndex((row) => row.series === near));
  const start = Math.min(Math.max(0, at - maxRows / 2), rows.length - maxRows);
  return rows.slice(start, start + maxRows);
}

/** The heading of a tooltip. */
export const timeText = (ms: number, elapsed: boolean | undefined): string => (elapsed ? elapsedText(ms) : formatAbsolute(ms));

export class Tooltip {
  private readonly box = element('tip');
  private content = '';

  constructor() {
    this.box.hidden = true;
    this.box.setAttribute('role', 'status');
    document.body.append(this.box);
  }

  show(time: string, rows: TooltipRow[], near: ChartSeries | undefined, place: { x: number; y: number }): void {
    const content = `${time} ${rows.length} ${near?.key ?? ''}`;
    if (content !== this.content) {
      const shown = window(rows, near);
      this.box.replaceChildren(
        element('tip-time', time),
        ...shown.map((row) => rowElement(row, row.series === near && rows.length > 1)),
        ...(shown.length < rows.length ? [element('tip-more', `and ${rows.length - shown.length} more`)] : []),
      );
      this.content = content;
    }
    this.place(place);
  }

  /** A title and named texts. */
  showFacts(title: string, facts: [string, string][], place: { x: number; y: number }): void {
    const rows = facts.map(([name, text]) => {
      const row = element('tip-row tip-fact');
      row.append(element('tip-name', name), element('tip-value', text));
      return row;
    });
    this.box.replaceChildren(element('tip-time', title), ...rows);
    this.content = '';
    this.place(place);
  }

  /** A title and sentences, each with a name before it. */
  showNotes(title: string, notes: [string, string][], place: { x: number; y: number }): void {
    const rows = notes.map(([name, text]) => {
      const row = element('tip-note');
      row.append(element('tip-note-name', name), element('tip-note-text', text));
      return row;
    });
    this.box.replaceChildren(element('tip-time', title), ...rows);
    this.content = '';
    this.place(place);
  }

  private place(place: { x: number; y: number }): void {
    this.box.hidden = false;
    const { offsetWidth, offsetHeight } = this.box;
    const right = place.x + 16 + offsetWidth < document.documentElement.clientWidth;
    const left = right ? place.x + 16 : Math.max(4, place.x - 16 - offsetWidth);
    const top = Math.min(place.y + 12, document.documentElement.clientHeight - offsetHeight - 4);
    this.box.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, top))}px)`;
  }

  hide(): void {
    this.box.hidden = true;
    this.content = '';
  }

  remove(): void {
    this.box.remove();
  }
}
