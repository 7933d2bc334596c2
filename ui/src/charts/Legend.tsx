/**
 * The names of a chart's series, as a list or as a table with calculated values. Clicking a name shows that series alone; with Ctrl or Shift it hides or shows
 * it. Long legends are cut, with a button to see the rest.
 */
import { FieldType, fieldReducers, reduceField, type Field } from '@grafana/data';
import { useState, type MouseEvent } from 'react';
import type { ChartSeries } from './model';

export interface LegendOptions {
  mode: 'list' | 'table' | 'hidden';
  placement: 'bottom' | 'right';
  calcs: string[];
  sortBy?: string;
  sortDesc?: boolean;
}

const firstRows = 100;

interface Row {
  series: ChartSeries;
  values: (number | null | undefined)[];
}

const calcName = (id: string): string => fieldReducers.getIfExists(id)?.name ?? id;

function rowsOf(series: ChartSeries[], { calcs, sortBy, sortDesc }: LegendOptions): Row[] {
  const rows = series.map((s) => {
    if (calcs.length === 0) return { series: s, values: [] };
    const field = { name: s.name, type: FieldType.number, values: s.values, config: {} } as Field;
    const results = reduceField({ field, reducers: calcs });
    return { series: s, values: calcs.map((calc) => results[calc] as number | null) };
  });
  const column = sortBy === undefined ? -1 : calcs.findIndex((calc) => calc === sortBy || calcName(calc) === sortBy);
  if (column < 0 && sortBy !== 'Name') return rows;
  const sign = sortDesc ? -1 : 1;
  return [...rows].sort((a, b) =>
    column < 0
      ? sign * a.series.name.localeCompare(b.series.name)
      : sign * ((a.values[column] ?? -Infinity) - (b.values[column] ?? -Infinity)),
  );
}

interface LegendProps {
  series: ChartSeries[];
  options: LegendOptions;
  /** Keys of the series that are hidden by clicking. */
  hidden: ReadonlySet<string>;
  onHide: (hidden: Set<string>) => void;
}

/** The hidden keys after a click: alone, back to all, or one more or less. */
export function afterClick(key: string, all: string[], hidden: ReadonlySet<string>, one: boolean): Set<string> {
  if (one) {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    return next;
  }
  const alone = !hidden.has(key) && hidden.size === all.length - 1;
  return alone ? new Set() : new Set(all.filter((other) => other !== key));
}

export function Legend({ series, options, hidden, onHide }: LegendProps) {
  const [all, setAll] = useState(false);
  const [sort, setSort] = useState<{ by: string; desc: boolean } | undefined>();
  const listed = series.filter((s) => !s.hidden.legend);
  const sorted = rowsOf(listed, sort ? { ...options, sortBy: sort.by, sortDesc: sort.desc } : options);
  const rows = all ? sorted : sorted.slice(0, firstRows);
  const click = (key: string) => (event: MouseEvent) =>
    onHide(afterClick(key, listed.map((s) => s.key), hidden, event.ctrlKey || event.metaKey || event.shiftKey));
  const value = (row: Row, i: number) => {
    const v = row.values[i];
    return v == null || Number.isNaN(v) ? '–' : options.calcs[i] === 'count' ? String(v) : row.series.format(v);
  };
  const name = (row: Row) => (
    <button
      type="button"
      className={`legend-name ${hidden.has(row.series.key) ? 'off' : ''}`}
      title={`${row.series.name}\nClick: this series alone. Ctrl-click: hide or show.`}
      aria-pressed={!hidden.has(row.series.key)}
      onClick={click(row.series.key)}
    >
      <span className="swatch" style={{ background: row.series.color }} />
      <span className="legend-text">{row.series.name}</span>
    </button>
  );
  const more = rows.length < sorted.length && (
    <button type="button" className="legend-more" onClick={() => setAll(true)}>
      {`${sorted.length - rows.length} more`}
    </button>
  );
  if (options.mode === 'table') {
    const header = (id: string, text: string) => (
      <th key={id} className={id === 'Name' ? undefined : 'number'} aria-sort={sort?.by === id ? (sort.desc ? 'descending' : 'ascending') : undefined}>
        <button type="button" onClick={() => setSort({ by: id, desc: sort?.by === id ? !sort.desc : id !== 'Name' })}>
          {text}
        </button>
      </th>
    );
    return (
      <div className={`legend legend-table legend-${options.placement}`}>
        <table>
          <thead>
            <tr>
              {header('Name', 'Name')}
              {options.calcs.map((calc) => header(calc, calcName(calc)))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.series.key}>
                <td>{name(row)}</td>
                {options.calcs.map((calc, i) => (
                  <td key={calc} className="number">
                    {value(row, i)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {more}
      </div>
    );
  }
  return (
    <ul className={`legend legend-list legend-${options.placement}`}>
      {rows.map((row) => (
        <li key={row.series.key}>
          {name(row)}
          {options.calcs.map((calc, i) => (
            <span key={calc} className="legend-calc">
              {calcName(calc)}: <b>{value(row, i)}</b>
            </span>
          ))}
        </li>
      ))}
      {more && <li>{more}</li>}
    </ul>
  );
}
