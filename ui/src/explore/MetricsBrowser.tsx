/** All metric names with type and help; choosing one puts it into the editor. */
import { useState } from 'react';
import { useLoad } from '../app/useLoad';
import { knownMetadata, knownMetrics } from './promqlClient';

const longest = 200;

export interface MetricEntry {
  name: string;
  type: string;
  help: string;
}

/** Metadata is by family: `x_bucket` is described by `x`. */
export function describeMetrics(names: string[], metadata: Record<string, { type: string; help: string }[]>): MetricEntry[] {
  return names.map((name) => {
    const family = metadata[name] ?? metadata[name.replace(/_(bucket|sum|count|total|created)$/, '')];
    return { name, type: family?.[0]?.type ?? '', help: family?.[0]?.help ?? '' };
  });
}

export function MetricsBrowser({ onChoose }: { onChoose: (metric: string) => void }) {
  const [filter, setFilter] = useState('');
  const { value: metrics, error } = useLoad(async () => describeMetrics(await knownMetrics(), await knownMetadata().catch(() => ({}))), []);
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = (metrics ?? []).filter((m) => words.every((word) => `${m.name} ${m.help} ${m.type}`.toLowerCase().includes(word)));
  return (
    <div className="metrics-browser">
      <input type="search" autoFocus placeholder="Filter by name, type or help" aria-label="Filter metrics" value={filter} onChange={(event) => setFilter(event.target.value)} />
      {error && <p className="notice error">{error}</p>}
      {metrics && shown.length === 0 && <p className="empty">No metric matches.</p>}
      <ul>
        {shown.slice(0, longest).map((metric) => (
          <li key={metric.name}>
            <button type="button" className="menu-item metric-item" onClick={() => onChoose(metric.name)}>
              <code>{metric.name}</code>
              <span className="tag">{metric.type || 'unknown'}</span>
              <span className="hint">{metric.help}</span>
            </button>
          </li>
        ))}
      </ul>
      {shown.length > longest && <p className="hint">{shown.length - longest} more: filter to see them.</p>}
    </div>
  );
}
