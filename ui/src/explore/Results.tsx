/** Explore's answers as a graph of all queries or as tables of their samples. */
import { useMemo, useState } from 'react';
import { useTheme } from '../app/theme';
import type { PanelModel } from '../grafana/model';
import { seriesText } from '../grafana/legend';
import type { PanelResult } from '../panels/fetch';
import { TimeseriesPanel } from '../panels/TimeseriesPanel';
import { formatAbsolute, type TimeRange } from '../time/range';
import type { Answer } from './run';

const firstRows = 500;

const nothing = () => undefined;
const plain = (text: string) => text;

function merged(answers: Answer[], range: TimeRange): PanelResult {
  const results = answers.flatMap((a) => (a.range ? [a.range] : []));
  return {
    targets: results.flatMap((r) => r.targets),
    notices: [],
    range: results[0]?.range ?? range,
    step: Math.max(0, ...results.map((r) => r.step)),
  };
}

export function GraphResult({ answers, range, stacked }: { answers: Answer[]; range: TimeRange; stacked: boolean }) {
  const theme = useTheme();
  const result = useMemo(() => merged(answers, range), [answers, range]);
  const many = result.targets.reduce((count, target) => count + target.names.length, 0) > 20;
  const panel = useMemo<PanelModel>(
    () => ({
      type: 'timeseries',
      title: 'Graph',
      options: { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
      fieldConfig: {
        defaults: { custom: { fillOpacity: stacked ? 30 : many ? 0 : 4, showPoints: 'auto', stacking: { mode: stacked ? 'normal' : 'none' } } },
        overrides: [],
      },
    }),
    [stacked, many],
  );
  return (
    <div className="card explore-graph">
      <TimeseriesPanel
        key={theme.name}
        panel={panel}
        result={result}
        frames={[]}
        theme={theme}
        width={0}
        height={0}
        syncKey="explore"
        sharedTooltip={false}
        onDrawn={nothing}
        interpolate={plain}
      />
    </div>
  );
}

export function TableResult({ answer, lettered }: { answer: Answer; lettered: boolean }) {
  const [all, setAll] = useState(false);
  const samples = answer.instant?.samples ?? [];
  const shown = all ? samples : samples.slice(0, firstRows);
  if (!answer.instant) return null;
  return (
    <section className="card">
      <div className="card-head">
        {lettered && <h2>{answer.letter}</h2>}
        <span className="muted">
          {samples.length} {samples.length === 1 ? 'sample' : 'samples'} in {answer.took.toFixed(0)} ms
          {samples[0] && `, at ${formatAbsolute(samples[0].timeMs)}`}
        </span>
      </div>
      {samples.length === 0 ? (
        <p className="empty">The query has an empty result.</p>
      ) : (
        <div className="result-table">
          <table className="data-table">
            <thead>
              <tr>
                <th>Series</th>
                <th className="number">Value</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((sample, i) => (
                <tr key={i}>
                  <td>{seriesText(sample.labels, answer.instant?.resultType === 'vector' ? '{}' : (answer.instant?.resultType ?? ''))}</td>
                  <td className="number">{Number.isNaN(sample.value) ? 'NaN' : String(sample.value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {shown.length < samples.length && (
            <p className="series-limit">
              Showing {shown.length} of {samples.length}.
              <button type="button" className="text-button" onClick={() => setAll(true)}>
                Show all
              </button>
            </p>
          )}
        </div>
      )}
    </section>
  );
}
