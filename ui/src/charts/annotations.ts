/**
 * Moments over a chart: a dashed line from top to bottom, and under it a mark with a tooltip. Input: the chart's annotations and its uPlot instance.
 * Beside the React tree, as the chart is: their places change with every drawing.
 */
import type uPlot from 'uplot';
import { formatAbsolute } from '../time/range';
import { withAlpha } from '../grafana/theme';
import type { ChartAnnotation } from './model';
import type { Tooltip } from './tooltip';

/** Marks nearer to each other than this are one; pixels. */
const markWidth = 9;

/** More would not fit on the screen. */
const mostFacts = 12;

/** Annotations in the range, those that would lie over one another together; ascending. */
export function clusterAnnotations(all: ChartAnnotation[], range: { from: number; to: number }, width: number): ChartAnnotation[][] {
  const apart = (markWidth * (range.to - range.from)) / Math.max(1, width);
  const inside = all.filter((a) => a.timeMs >= range.from && a.timeMs <= range.to).sort((a, b) => a.timeMs - b.timeMs);
  const clusters: ChartAnnotation[][] = [];
  for (const annotation of inside) {
    const last = clusters.at(-1);
    if (last && annotation.timeMs - (last[0] as ChartAnnotation).timeMs < apart) last.push(annotation);
    else clusters.push([annotation]);
  }
  return clusters;
}

/** Of what lasted, when anything of it was there, as far as that is in the range; ascending and apart from each other. */
export function spansOf(all: ChartAnnotation[], range: { from: number; to: number }): { from: number; to: number; color: string }[] {
  const inside = all
    .flatMap(({ timeMs, endMs, color }) => (endMs === undefined || endMs < range.from || timeMs > range.to ? [] : [{ from: Math.max(timeMs, range.from), to: Math.min(endMs, range.to), color }]))
    .sort((a, b) => a.from - b.from);
  const spans: typeof inside = [];
  for (const span of inside) {
    const last = spans.at(-1);
    if (last && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else spans.push({ ...span });
  }
  return spans;
}

/** Height of the strip over what lasted; CSS pixels. */
const stripHeight = 3;

/** A strip along the top, and so light a tint under it that the series keep their colours. */
function drawSpans(u: uPlot, all: ChartAnnotation[], range: { from: number; to: number }): void {
  const { ctx, bbox } = u;
  for (const { from, to, color } of spansOf(all, range)) {
    const left = u.valToPos(from, 'x', true);
    const width = Math.max(u.valToPos(to, 'x', true) - left, devicePixelRatio);
    ctx.fillStyle = withAlpha(color, 0.045);
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.fillStyle = withAlpha(color, 0.75);
    ctx.fillRect(left, bbox.top, width, stripHeight * devicePixelRatio);
  }
}

const clock = (ms: number) => formatAbsolute(ms).slice(11);

export class AnnotationLayer {
  private marks: HTMLElement[] = [];
  private placed = '';
  /** Whether the pointer is on a mark, whose tooltip then has the place of the chart's. */
  hovered = false;

  constructor(
    private readonly tooltip: Tooltip,
    private readonly annotations: () => ChartAnnotation[],
    private readonly follow: (href: string) => void,
  ) {}

  /** Draws the lines, and puts the marks where they belong. */
  draw(u: uPlot): void {
    const { min, max } = u.scales.x ?? {};
    const all = this.annotations();
    if (min == null || max == null || (all.length === 0 && this.marks.length === 0)) return;
    const clusters = clusterAnnotations(all, { from: min, to: max }, u.over.clientWidth);
    drawSpans(u, all, { from: min, to: max });
    this.drawLines(u, clusters);
    const places = clusters.map((cluster) => Math.round(u.valToPos((cluster[0] as ChartAnnotation).timeMs, 'x')));
    const wanted = JSON.stringify([places, clusters]);
    if (wanted === this.placed) return;
    this.placed = wanted;
    this.hovered = false;
    for (const mark of this.marks) mark.remove();
    this.marks = clusters.map((cluster, i) => this.mark(cluster, places[i] as number));
    u.over.append(...this.marks);
  }

  private drawLines(u: uPlot, clusters: ChartAnnotation[][]): void {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const [first] of clusters as [ChartAnnotation][]) {
      const x = Math.round(u.valToPos(first.timeMs, 'x', true)) + 0.5;
      ctx.strokeStyle = withAlpha(first.color, 0.7);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  private mark(cluster: ChartAnnotation[], left: number): HTMLElement {
    const first = cluster[0] as ChartAnnotation;
    const link = document.createElement('a');
    link.className = 'annotation-mark';
    link.tabIndex = -1;
    link.style.left = `${left}px`;
    link.style.setProperty('--mark', first.color);
    const title = cluster.length === 1 ? formatAbsolute(first.timeMs) : `${cluster.length} events from ${formatAbsolute(first.timeMs)}`;
    link.setAttribute('aria-label', `${title}: ${first.text}`);
    if (first.href) link.href = first.href;
    link.addEventListener('mouseenter', () => {
      this.hovered = true;
      const box = link.getBoundingClientRect();
      this.tooltip.showNotes(title, notesOf(cluster), { x: box.right, y: box.top });
    });
    link.addEventListener('mouseleave', () => {
      this.hovered = false;
      this.tooltip.hide();
    });
    // not the beginning of a selection
    link.addEventListener('mousedown', (event) => event.stopPropagation());
    link.addEventListener('click', (event) => {
      if (!first.href || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.tooltip.hide();
      this.follow(first.href);
    });
    return link;
  }
}

/** What the tooltip says: one line for each, its name and its text. */
export function notesOf(cluster: ChartAnnotation[]): [string, string][] {
  const notes = cluster.slice(0, mostFacts).map((a): [string, string] => [cluster.length === 1 ? a.name : `${clock(a.timeMs)} ${a.name}`.trim(), a.text]);
  return notes.length < cluster.length ? [...notes, ['', `and ${cluster.length - notes.length} more`]] : notes;
}
