/**
 * Where panels stand: Grafana's grid of 24 columns and 30 px rows with 8 px gaps. Input: the dashboard's panels, the values of its variables,
 * and which rows are collapsed. Output: a flat list of cells with their place. Rows push up what follows them when they are collapsed.
 */
import type { ScopedValues } from './interpolate';
import type { GridPos, PanelModel } from './model';

export const columns = 24;
export const rowHeight = 30;
export const gap = 8;

export interface Cell {
  key: string;
  panel: PanelModel;
  pos: GridPos;
  /** Values of the repeat variable for this copy of the panel. */
  scoped: ScopedValues;
  /** Rows only: how many panels are hidden in it. */
  hiddenPanels?: number;
}

/** The chosen values of a variable, for repeats. */
export type RepeatValues = (variable: string) => string[];

interface Section {
  row?: PanelModel;
  key: string;
  panels: PanelModel[];
  scoped: ScopedValues;
}

const defaultPos: GridPos = { x: 0, y: 0, w: 12, h: 8 };
const posOf = (panel: PanelModel): GridPos => panel.gridPos ?? defaultPos;

const byPlace = (a: PanelModel, b: PanelModel) => posOf(a).y - posOf(b).y || posOf(a).x - posOf(b).x;

/** Panels grouped under the row they follow. */
function sectionsOf(panels: PanelModel[]): Section[] {
  const sections: Section[] = [{ key: 'top', panels: [], scoped: {} }];
  for (const panel of [...panels].sort(byPlace)) {
    if (panel.type !== 'row') {
      (sections.at(-1) as Section).panels.push(panel);
      continue;
    }
    const key = `row-${panel.id ?? `${panel.title ?? ''}-${sections.length}`}`;
    sections.push({ row: panel, key, panels: [...(panel.panels ?? [])].sort(byPlace), scoped: {} });
  }
  return sections;
}

function repeatSections(sections: Section[], valuesOf: RepeatValues): Section[] {
  return sections.flatMap((section) => {
    const variable = section.row?.repeat;
    if (!variable) return [section];
    return valuesOf(variable).map((value) => ({
      ...section,
      key: `${section.key}-${value}`,
      scoped: { ...section.scoped, [variable]: value },
    }));
  });
}

function repeatPanel(panel: PanelModel, key: string, scoped: ScopedValues, valuesOf: RepeatValues): Cell[] {
  const pos = posOf(panel);
  const variable = panel.repeat;
  if (!variable) return [{ key, panel, pos: { ...pos }, scoped }];
  const values = scoped[variable] === undefined ? valuesOf(variable) : [scoped[variable]];
  const perRow = Math.min(values.length, panel.maxPerRow ?? 4) || 1;
  return values.map((value, i) => {
    const vertical = panel.repeatDirection === 'v';
    const w = vertical ? pos.w : Math.floor(columns / perRow);
    const x = vertical ? pos.x : (i % perRow) * w;
    const y = pos.y + (vertical ? i : Math.floor(i / perRow)) * pos.h;
    return { key: `${key}-${value}`, panel, pos: { x, y, w, h: pos.h }, scoped: { ...scoped, [variable]: value } };
  });
}

/** Cells of one section with their y relative to its top, and its height. Repeated panels push down the panels below them. */
function placeSection(section: Section, valuesOf: RepeatValues): { cells: Cell[]; height: number } {
  const top = Math.min(...section.panels.map((p) => posOf(p).y));
  const pushes: { below: number; rows: number }[] = [];
  const cells: Cell[] = [];
  let height = 0;
  section.panels.forEach((panel, i) => {
    const pos = posOf(panel);
    const bottom = pos.y + pos.h;
    const pushed = pushes.reduce((rows, push) => (push.below <= pos.y ? rows + push.rows : rows), 0);
    const copies = repeatPanel(panel, `${section.key}-${panel.id ?? i}`, section.scoped, valuesOf);
    const extra = Math.max(0, ...copies.map((c) => c.pos.y + c.pos.h - bottom));
    if (extra > 0) pushes.push({ below: bottom, rows: extra });
    for (const cell of copies) {
      cell.pos.y += pushed - top;
      cells.push(cell);
      height = Math.max(height, cell.pos.y + cell.pos.h);
    }
  });
  return { cells, height };
}

export function isCollapsed(row: PanelModel, toggled: ReadonlySet<string>, key: string): boolean {
  return Boolean(row.collapsed) !== toggled.has(key);
}

/** `toggled` holds the keys of rows the reader opened or closed against what the dashboard says. */
export function layoutPanels(panels: PanelModel[], valuesOf: RepeatValues, toggled: ReadonlySet<string>): Cell[] {
  const cells: Cell[] = [];
  let y = 0;
  for (const section of repeatSections(sectionsOf(panels), valuesOf)) {
    if (section.row) {
      const hidden = isCollapsed(section.row, toggled, section.key);
      cells.push({
        key: section.key,
        panel: section.row,
        pos: { x: 0, y, w: columns, h: 1 },
        scoped: section.scoped,
        hiddenPanels: hidden ? section.panels.length : 0,
      });
      y += 1;
      if (hidden) continue;
    }
    if (section.panels.length === 0) continue;
    const placed = placeSection(section, valuesOf);
    for (const cell of placed.cells) {
      cell.pos.y += y;
      cells.push(cell);
    }
    y += placed.height;
  }
  return cells;
}

/** Below this many pixels panels stand one below the other, small ones two abreast. */
export const narrowWidth = 700;

/** The cells of a narrow page, in reading order. */
export function narrowCells(cells: Cell[]): Cell[] {
  const half = columns / 2;
  let x = 0;
  let y = 0;
  let height = 0;
  const endRow = () => {
    y += height;
    x = 0;
    height = 0;
  };
  const placed = cells.map((cell) => {
    const w = cell.panel.type !== 'row' && cell.pos.w <= columns / 4 ? half : columns;
    if (x + w > columns) endRow();
    const pos = { x, y, w, h: cell.pos.h };
    height = Math.max(height, cell.pos.h);
    x += w;
    return { ...cell, pos };
  });
  return placed;
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Pixels of a grid place in a dashboard `width` pixels wide. */
export function boxOf(pos: GridPos, width: number): Box {
  const column = (width + gap) / columns;
  return {
    left: Math.round(pos.x * column),
    top: pos.y * (rowHeight + gap),
    width: Math.round(pos.w * column - gap),
    height: pos.h * (rowHeight + gap) - gap,
  };
}

/** Height in pixels of all cells. */
export function heightOf(cells: Cell[]): number {
  let rows = 0;
  for (const { pos } of cells) rows = Math.max(rows, pos.y + pos.h);
  return rows * (rowHeight + gap);
}
