/** Labels and matchers as chips; where a filter is at hand, a label is a button that filters by it. */
import type { Labels } from '../api/prometheus';

export function LabelChips({ labels, omit = [], onPick }: { labels: Labels; omit?: string[]; onPick?: (name: string, value: string) => void }) {
  const shown = Object.entries(labels)
    .filter(([name]) => !omit.includes(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (shown.length === 0) return null;
  return (
    <ul className="labels">
      {shown.map(([name, value]) => (
        <li key={name} className="label">
          {onPick ? (
            <button type="button" className="label-button" title={`Only alerts with ${name}=${value}`} onClick={() => onPick(name, value)}>
              {name}=<b>{value}</b>
            </button>
          ) : (
            <>
              {name}=<b>{value}</b>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

export function MatcherChips({ matchers }: { matchers: { name: string; op: string; value: string }[] }) {
  return (
    <ul className="labels">
      {matchers.map(({ name, op, value }) => (
        <li key={`${name}${op}${value}`} className="label">
          {name}
          {op}
          <b>“{value}”</b>
        </li>
      ))}
    </ul>
  );
}

export function Severity({ value }: { value: string }) {
  if (value === '') return <span className="severity" />;
  return <span className={`severity severity-${['critical', 'page', 'error'].includes(value) ? 'critical' : value}`}>{value}</span>;
}
