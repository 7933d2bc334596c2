/**
 * Runs the queries of a dashboard's panels, all at once, and keeps each panel's state in a store of its own, so that an answer redraws one panel. A
 * new run (other time range, variables, refresh) cancels the one before it; what is shown stays until the new answer is there.
 */
import type { DataFrame } from '@grafana/data';
import { errorText } from '../api/http';
import { Store } from '../app/store';
import { interpolateText, type VariableValues } from '../grafana/interpolate';
import type { Box, Cell } from '../grafana/layout';
import type { TimeRange } from '../time/range';
import { asksQueries, fetchPanel, QueryShare, type PanelResult } from './fetch';
import { panelFrames } from './fields';

export interface PanelState {
  loading: boolean;
  result?: PanelResult;
  frames?: DataFrame[];
  error?: string;
}

export interface RunInput {
  variables: VariableValues;
  range: TimeRange;
}

/** Answers that arrive within this time of each other are shown in one frame: each frame costs as much as several charts. */
const gatherMs = 80;

const noResult = (range: TimeRange): PanelState => ({ loading: false, result: { targets: [], notices: [], range, step: 0 }, frames: [] });

export class DashboardRun {
  private readonly states = new Map<string, Store<PanelState>>();
  private input: RunInput | undefined;
  private asked = new Set<string>();
  private controller = new AbortController();
  private share = new QueryShare(this.controller.signal);
  private underWay = 0;
  private answered: (() => void)[] = [];
  private gathering: ReturnType<typeof setTimeout> | undefined;

  stateOf(key: string): Store<PanelState> {
    let state = this.states.get(key);
    if (!state) {
      state = new Store<PanelState>({ loading: true });
      this.states.set(key, state);
    }
    return state;
  }

  /** Asks for every cell that this run has not asked for yet. Another `input` object begins another run. */
  start(input: RunInput, cells: Cell[], boxOf: (cell: Cell) => Box): void {
    if (input !== this.input) {
      this.stop();
      this.input = input;
    }
    // loaded while the queries are under way
    if (cells.some((cell) => cell.panel.transformations?.length)) void import('../grafana/transform');
    for (const cell of cells) {
      if (cell.panel.type === 'row' || this.asked.has(cell.key)) continue;
      this.asked.add(cell.key);
      if (asksQueries(cell.panel)) void this.ask(input, cell, boxOf(cell).width);
      else this.stateOf(cell.key).set(noResult(input.range));
    }
  }

  stop(): void {
    this.controller.abort();
    this.controller = new AbortController();
    this.share = new QueryShare(this.controller.signal);
    this.asked = new Set();
    this.input = undefined;
  }

  private async ask({ variables, range }: RunInput, { key, panel, scoped }: Cell, width: number): Promise<void> {
    const store = this.stateOf(key);
    const { signal } = this.controller;
    store.set({ ...store.get(), loading: true });
    const scope = { variables, scoped };
    this.underWay += 1;
    try {
      const result = await fetchPanel({ panel, scope, range, width }, this.share);
      const frames = await panelFrames(panel, result, (text) => interpolateText(text, scope));
      this.show(() => !signal.aborted && store.set({ loading: false, result, frames }));
    } catch (error) {
      this.show(() => !signal.aborted && store.set({ loading: false, error: errorText(error) }));
    }
  }

  /** Shows an answer together with those that arrive soon after it; at once when none is awaited. */
  private show(answer: () => void): void {
    this.underWay -= 1;
    this.answered.push(answer);
    if (this.underWay === 0) this.showAll();
    else this.gathering ??= setTimeout(() => this.showAll(), gatherMs);
  }

  private showAll(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    for (const answer of this.answered.splice(0)) answer();
  }
}

/** Notices when every panel that was visible at the start of a run has been drawn, and leaves a performance mark. */
export class DrawTracker {
  private waiting = new Set<string>();

  expect(keys: string[]): void {
    this.waiting = new Set(keys);
  }

  readonly drawn = (key: string): void => {
    if (!this.waiting.delete(key) || this.waiting.size > 0) return;
    // the frame that shows the last panel has been produced when the task after it runs
    requestAnimationFrame(() => setTimeout(() => performance.mark('dashboard-drawn')));
  };
}
