/**
 * Explore: PromQL queries, their graph or table. The queries that were run, the view and the minimal step are in the URL (`q`, `view`, `step`, `exemplars`), so that
 * a result can be shared; what is being typed is not.
 */
import { useEffect, useRef, useState } from 'react';
import { Icon } from '../app/icons';
import { Popover } from '../app/Popover';
import { setParameters, useUrl } from '../app/router';
import { refreshNow, usePageDefaults, useTimeRange } from '../app/time';
import { useLoad } from '../app/useLoad';
import type { PromqlEditor } from '../explore/editor';
import { MetricsBrowser } from '../explore/MetricsBrowser';
import { forgetHistory, readHistory, remember } from '../explore/queryHistory';
import { QueryRow } from '../explore/QueryRow';
import { GraphResult, TableResult } from '../explore/Results';
import { letterOf, runQueries, type ViewMode } from '../explore/run';
import { parseDuration } from '../time/duration';

interface Draft {
  id: number;
  text: string;
}

let nextId = 0;
const draft = (text: string): Draft => ({ id: nextId++, text });

/** The editors' texts. They follow the URL when it changes from outside: back, forward, a link. */
function useDrafts(asked: string[]): [Draft[], (change: (drafts: Draft[]) => Draft[]) => void] {
  const [drafts, setDrafts] = useState<Draft[]>(() => (asked.length > 0 ? asked : ['']).map(draft));
  const key = JSON.stringify(asked);
  const known = useRef(key);
  useEffect(() => {
    if (known.current === key) return;
    known.current = key;
    setDrafts((current) => (asked.length > 0 ? asked : ['']).map((text, i) => (current[i] ? { ...current[i], text } : draft(text))));
  }, [key]);
  return [drafts, setDrafts];
}

function History({ onChoose }: { onChoose: (query: string) => void }) {
  const [items, setItems] = useState(readHistory);
  if (items.length === 0) return <p className="empty">No query was run in this browser yet.</p>;
  return (
    <>
      <ul className="history-list">
        {items.map((item) => (
          <li key={item}>
            <button type="button" className="menu-item history-item" onClick={() => onChoose(item)}>
              <code>{item}</code>
            </button>
          </li>
        ))}
      </ul>
      <button
        type="button"
        className="text-button"
        onClick={() => {
          forgetHistory();
          setItems([]);
        }}
      >
        Forget all
      </button>
    </>
  );
}

function StepInput({ value }: { value: string }) {
  const [text, setText] = useState(value);
  const bad = text !== '' && parseDuration(text) === undefined;
  const apply = () => {
    if (!bad) setParameters({ step: text || undefined }, { replace: true });
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <input size={8} aria-label="Smallest step" title="Smallest step of the graph, such as 30s" placeholder="step: auto" value={text} aria-invalid={bad} onBlur={apply} onChange={(event) => setText(event.target.value)} />
    </form>
  );
}

export default function Explore() {
  usePageDefaults(undefined, 'off');
  const url = useUrl();
  const range = useTimeRange();
  const asked = url.searchParams.getAll('q');
  const mode: ViewMode = url.searchParams.get('view') === 'table' ? 'table' : 'graph';
  const minStep = url.searchParams.get('step') ?? '';
  const exemplars = url.searchParams.get('exemplars') !== 'off';
  const [drafts, setDrafts] = useDrafts(asked);
  const [stacked, setStacked] = useState(false);
  const active = useRef<PromqlEditor | undefined>(undefined);
  const { value: answers, loading } = useLoad(
    (signal) => runQueries({ queries: asked, mode, range, width: Math.min(window.innerWidth - 80, 1500), minStep, exemplars, signal }),
    [JSON.stringify(asked), mode, range, minStep, exemplars],
  );
  const run = () => {
    const queries = drafts.map((d) => d.text);
    remember(queries);
    const same = JSON.stringify(queries) === JSON.stringify(asked);
    if (same) refreshNow();
    else setParameters({ q: queries });
  };
  const change = (id: number, text: string) => setDrafts((all) => all.map((d) => (d.id === id ? { ...d, text } : d)));
  const remove = (id: number) => {
    const left = drafts.filter((d) => d.id !== id);
    setDrafts(() => left);
    setParameters({ q: left.map((d) => d.text) }, { replace: true });
  };
  const ran = asked.some((q) => q.trim() !== '');
  const current = (answers ?? []).filter((a) => a.expr.trim() !== '');
  const answered = current.filter((a) => a.error === undefined);
  return (
    <div className="page explore" aria-busy={loading && ran}>
      <div className="queries">
        {drafts.map((d, i) => {
          const answer = answers?.[i]?.expr === d.text ? answers[i] : undefined;
          return (
            <QueryRow
              key={d.id}
              letter={letterOf(i)}
              text={d.text}
              error={answer?.error}
              notices={answer?.notices ?? []}
              onChange={(text) => change(d.id, text)}
              onRun={run}
              onRemove={drafts.length > 1 ? () => remove(d.id) : undefined}
              onFocus={(editor) => (active.current = editor)}
              autoFocus={i === drafts.length - 1}
            />
          );
        })}
      </div>
      <div className="explore-bar">
        <button type="button" className="button primary" onClick={run} title="Shift+Enter">
          Run
        </button>
        <button type="button" className="button" onClick={() => setDrafts((all) => [...all, draft('')])}>
          <Icon name="plus" size={14} /> Query
        </button>
        <Popover title="Metrics" label={<><Icon name="search" size={14} /> Metrics</>}>
          {(close) => (
            <MetricsBrowser
              onChoose={(metric) => {
                close();
                active.current?.insert(metric);
              }}
            />
          )}
        </Popover>
        <Popover title="History" label={<><Icon name="history" size={14} /> History</>}>
          {(close) => (
            <History
              onChoose={(query) => {
                close();
                active.current?.setText(query);
                active.current?.focus();
              }}
            />
          )}
        </Popover>
        {mode === 'graph' && <StepInput value={minStep} />}
        {mode === 'graph' && (
          <label className="check">
            <input type="checkbox" checked={stacked} onChange={(event) => setStacked(event.target.checked)} />
            Stacked
          </label>
        )}
        {mode === 'graph' && (
          <label className="check" title="Single measured values of histograms and counters, with their traces">
            <input type="checkbox" checked={exemplars} onChange={(event) => setParameters({ exemplars: event.target.checked ? undefined : 'off' }, { replace: true })} />
            Exemplars
          </label>
        )}
        {!loading && mode === 'graph' && answered.length > 0 && (
          <span className="muted" role="status">
            {answered.reduce((n, a) => n + (a.range?.targets[0]?.names.length ?? 0), 0)} series in {Math.max(0, ...answered.map((a) => a.took)).toFixed(0)} ms
          </span>
        )}
        <div className="segments end" role="tablist" aria-label="View">
          {(['graph', 'table'] as const).map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              aria-selected={mode === name}
              onClick={() => setParameters({ view: name === 'graph' ? undefined : name }, { replace: true })}
            >
              {name === 'graph' ? 'Graph' : 'Table'}
            </button>
          ))}
        </div>
      </div>
      {!ran && <p className="empty">Write a query and run it with Shift+Enter, or pick one from the metrics.</p>}
      {ran && mode === 'graph' && current.some((a) => a.range) && <GraphResult answers={current} range={range} stacked={stacked} />}
      {ran && mode === 'table' && current.map((a) => <TableResult key={a.letter} answer={a} lettered={current.length > 1} />)}
    </div>
  );
}
