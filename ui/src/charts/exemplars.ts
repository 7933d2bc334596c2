/**
 * Exemplars of a chart as diamonds over it: links, so that they open in a tab of their own as well. Input: the chart's exemplars and its uPlot instance.
 * Beside the React tree, as the chart is: their places change with every drawing.
 */
import type uPlot from 'uplot';
import type { ChartExemplar } from './model';
import type { Tooltip } from './tooltip';

/** Of many exemplars the highest and the lowest of each of `columns` spans of time: the outliers are what one looks for. */
export function thinExemplars<T extends { timeMs: number; value: number }>(all: T[], range: { from: number; to: number }, columns: number): T[] {
  const width = Math.max(1, (range.to - range.from) / columns);
  const kept = new Map<number, { low: T; high: T }>();
  for (const exemplar of all) {
    if (exemplar.timeMs < range.from || exemplar.timeMs > range.to || !Number.isFinite(exemplar.value)) continue;
    const column = Math.floor((exemplar.timeMs - range.from) / width);
    const known = kept.get(column);
    if (!known) kept.set(column, { low: exemplar, high: exemplar });
    else if (exemplar.value > known.high.value) known.high = exemplar;
    else if (exemplar.value < known.low.value) known.low = exemplar;
  }
  return [...kept.values()].flatMap(({ low, high }) => (low === high ? [low] : [low, high])).sort((a, b) => a.timeMs - b.timeMs);
}

/**
 * Room for exemplars, of which the lines are a summary: down to the lowest, and up to the highest where it is no more than twice the lines' maximum. What
 * is higher would press the lines to the ground; it is drawn at the end of the axis.
 */
export function withExemplars(low: number, high: number, values: number[]): [number, number] {
  if (values.length === 0) return [low, high];
  return [Math.min(low, ...values), Math.max(high, Math.min(Math.max(...values), high + Math.abs(high)))];
}

export class ExemplarLayer {
  private marks: { exemplar: ChartExemplar; element: HTMLElement }[] = [];
  private shown: ChartExemplar[] | undefined;
  /** Whether the pointer is on a diamond, whose tooltip then has the place of the chart's. */
  hovered = false;

  constructor(
    private readonly tooltip: Tooltip,
    private readonly follow: (href: string) => void,
  ) {}

  set(u: uPlot, exemplars: ChartExemplar[]): void {
    if (exemplars === this.shown) return;
    this.shown = exemplars;
    for (const { element } of this.marks) element.remove();
    this.hovered = false;
    this.marks = exemplars.map((exemplar) => ({ exemplar, element: this.mark(exemplar) }));
    u.over.append(...this.marks.map((m) => m.element));
  }

  /** What lies beyond the axis is drawn at its end. */
  place(u: uPlot): void {
    const { clientWidth, clientHeight } = u.over;
    for (const { exemplar, element } of this.marks) {
      const x = u.valToPos(exemplar.timeMs, 'x');
      const y = u.valToPos(exemplar.value, exemplar.scale);
      element.hidden = !(x >= 0 && x <= clientWidth) || Number.isNaN(y);
      element.style.left = `${x}px`;
      element.style.top = `${Math.min(clientHeight - 5, Math.max(5, y))}px`;
      element.classList.toggle('beyond', y < 0 || y > clientHeight);
    }
  }

  private mark(exemplar: ChartExemplar): HTMLElement {
    const element: HTMLElement = document.createElement(exemplar.href ? 'a' : 'span');
    element.className = 'exemplar';
    element.tabIndex = -1;
    element.setAttribute('aria-label', `Exemplar ${exemplar.title}`);
    if (element instanceof HTMLAnchorElement && exemplar.href) element.href = exemplar.href;
    element.addEventListener('mouseenter', () => {
      this.hovered = true;
      const box = element.getBoundingClientRect();
      this.tooltip.showFacts(exemplar.title, exemplar.facts, { x: box.right, y: box.top });
    });
    element.addEventListener('mouseleave', () => {
      this.hovered = false;
      this.tooltip.hide();
    });
    // not the beginning of a selection
    element.addEventListener('mousedown', (event) => event.stopPropagation());
    element.addEventListener('click', (event) => {
      if (!exemplar.href || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.tooltip.hide();
      this.follow(exemplar.href);
    });
    return element;
  }
}
