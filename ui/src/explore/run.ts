/** Runs explore's queries, each on its own, so that one that fails does not hide the others. Output: a result or an error for each. */
import { errorText } from '../api/http';
import { queryInstant, type InstantResult } from '../api/prometheus';
import type { PanelModel } from '../grafana/model';
import { fetchPanel, QueryShare, type PanelResult } from '../panels/fetch';
import type { TimeRange } from '../time/range';

export type ViewMode = 'graph' | 'table';

export interface Answer {
  expr: string;
  letter: string;
  range?: PanelResult;
  instant?: InstantResult;
  error?: string;
  notices: string[];
  /** Milliseconds from asking to the parsed answer. */
  took: number;
}

export const letterOf = (index: number): string => String.fromCharCode(65 + (index % 26));

export const graphPanel = (letter: string, expr: string, minStep: string, exemplar: boolean): PanelModel => ({
  type: 'timeseries',
  title: 'Graph',
  targets: [{ refId: letter, expr, interval: minStep || undefined, exemplar }],
});

export interface RunOptions {
  queries: string[];
  mode: ViewMode;
  range: TimeRange;
  width: number;
  minStep: string;
  exemplars: boolean;
  signal: AbortSignal;
}

export function runQueries({ queries, mode, range, width, minStep, exemplars, signal }: RunOptions): Promise<Answer[]> {
  const ask = async (expr: string, index: number): Promise<Answer> => {
    const letter = letterOf(index);
    const begun = performance.now();
    const done = (part: Partial<Answer>): Answer => ({ expr, letter, notices: [], took: performance.now() - begun, ...part });
    try {
      if (mode === 'table') {
        const instant = await queryInstant(expr, range.to, signal);
        return done({ instant, notices: instant.notices });
      }
      const panel = graphPanel(letter, expr, minStep, exemplars);
      const result = await fetchPanel({ panel, range, width, scope: { variables: {}, scoped: {} } }, new QueryShare(signal));
      return done({ range: result, notices: result.notices });
    } catch (error) {
      signal.throwIfAborted();
      return done({ error: errorText(error) });
    }
  };
  return Promise.all(queries.map((expr, index) => (expr.trim() ? ask(expr, index) : Promise.resolve({ expr, letter: letterOf(index), notices: [], took: 0 }))));
}
