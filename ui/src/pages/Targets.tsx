/** What is scraped: every target by pool, with its labels, last scrape and error. Reads /api/v1/targets. */
import { useState } from 'react';
import { activeTargets, type Labels, type Target } from '../api/prometheus';
import { setParameters, useUrl } from '../app/router';
import { usePageDefaults, useTick } from '../app/time';
import { useLoad } from '../app/useLoad';

const stateFilters = ['all', 'up', 'down', 'unknown'] as const;

function ago(timestamp: string): string {
  const ms = Date.now() - Date.parse(timestamp);
  if (Number.isNaN(ms) || timestamp.startsWith('0001')) return 'never';
  if (ms < 1000) return 'now';
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

function LabelList({ labels, muted }: { labels: Labels; muted?: boolean }) {
  return (
    <ul className={muted ? 'labels muted' : 'labels'}>
      {Object.entries(labels)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => (
          <li key={name} className="label">
            {name}=<b>“{value}”</b>
          </li>
        ))}
    </ul>
  );
}

function TargetRow({ target, discovered }: { target: Target; discovered: boolean }) {
  return (
    <tr>
      <td className="endpoint">
        <a href={target.globalUrl ?? target.scrapeUrl} target="_blank" rel="noreferrer">
          {target.scrapeUrl}
        </a>
      </td>
      <td>
        <span className={`state state-${target.health}`}>{target.health}</span>
      </td>
      <td>
        <LabelList labels={target.labels} />
        {discovered && <LabelList labels={target.discoveredLabels} muted />}
        {target.lastError && <p className="target-error">{target.lastError}</p>}
      </td>
      <td className="number">{ago(target.lastScrape)}</td>
      <td className="number">{(target.lastScrapeDuration * 1000).toFixed(1)} ms</td>
      <td className="number">{target.scrapeInterval ?? '—'}</td>
    </tr>
  );
}

function Pool({ name, targets, discovered }: { name: string; targets: Target[]; discovered: boolean }) {
  const up = targets.filter((t) => t.health === 'up').length;
  const headings = ['Endpoint', 'State', 'Labels', 'Last scrape', 'Duration', 'Interval'];
  return (
    <section className="card">
      <h2>
        {name} <span className={`count ${up === targets.length ? 'good' : 'bad'}`}>{`${up} / ${targets.length} up`}</span>
      </h2>
      <div className="scroll-x">
        <table className="data-table targets-table">
          <thead>
            <tr>
              {headings.map((heading) => (
                <th key={heading}>{heading}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {targets.map((target) => (
              <TargetRow key={target.scrapeUrl + JSON.stringify(target.labels)} target={target} discovered={discovered} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function matches(target: Target, words: string[]): boolean {
  const text = `${target.scrapePool} ${target.scrapeUrl} ${Object.entries(target.labels).flat().join(' ')} ${target.lastError}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export default function Targets() {
  usePageDefaults(undefined, '10s');
  const tick = useTick();
  const url = useUrl();
  const state = url.searchParams.get('state') ?? 'all';
  const [filter, setFilter] = useState('');
  const [discovered, setDiscovered] = useState(false);
  const { value: targets, error } = useLoad((signal) => activeTargets(signal), [tick]);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = (targets ?? []).filter((t) => (state === 'all' || t.health === state) && matches(t, words));
  const pools = [...new Set(shown.map((t) => t.scrapePool))].sort();
  const count = (name: string) => (targets ?? []).filter((t) => name === 'all' || t.health === name).length;
  return (
    <div className="page">
      <div className="page-head">
        <h1>Targets</h1>
        <div className="segments" role="group" aria-label="Filter by state">
          {stateFilters.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={state === name}
              onClick={() => setParameters({ state: name === 'all' ? undefined : name }, { replace: true })}
            >
              {name} <span className="muted">{count(name)}</span>
            </button>
          ))}
        </div>
        <input
          type="search"
          placeholder="Filter by endpoint, label or error"
          aria-label="Filter targets"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        <label className="check">
          <input type="checkbox" checked={discovered} onChange={(event) => setDiscovered(event.target.checked)} />
          Discovered labels
        </label>
      </div>
      {error && (
        <div className="notice error" role="alert">
          The targets could not be read: {error}
        </div>
      )}
      {targets && shown.length === 0 && <p className="empty">{targets.length === 0 ? 'Nothing is scraped yet.' : 'No target matches.'}</p>}
      {pools.map((pool) => (
        <Pool key={pool} name={pool} discovered={discovered} targets={shown.filter((t) => t.scrapePool === pool)} />
      ))}
    </div>
  );
}
