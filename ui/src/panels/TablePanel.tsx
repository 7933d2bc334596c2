/**
 * The table panel. Input: frames after transformations; reads column widths, alignment, cell colours, sorting and the footer. Shows the first
 * rows of long tables with a button for the rest.
 */
import { FieldType, reduceField } from '@grafana/data';
import { useEffect, useMemo, useState, type CSSProperties } from 'react';
import { textOn } from '../grafana/theme';
import { showFrames, showValue, type ShownField, type ShownFrame } from './fields';
import { NoData } from './NoData';
import type { PanelProps } from './types';

interface TableOptions {
  showHeader?: boolean;
  sortBy?: { displayName: string; desc?: boolean }[];
  footer?: { show?: boolean; reducer?: string[]; fields?: string[] | string };
  cellHeight?: 'sm' | 'md' | 'lg';
}

export interface Sort {
  name: string;
  desc: boolean;
}

const firstRows = 300;

interface CellStyle {
  kind: string;
  align: string;
  width?: number;
}

function cellStyleOf({ config, type }: ShownField): CellStyle {
  const custom = config.custom ?? {};
  const cell = custom.cellOptions as { type?: string } | undefined;
  const align = (custom.align as string | undefined) ?? 'auto';
  return {
    kind: cell?.type ?? (custom.displayMode as string | undefined) ?? 'auto',
    align: align === 'auto' ? (type === FieldType.number ? 'right' : 'left') : align,
    width: custom.width as number | undefined,
  };
}

const isHidden = ({ config }: ShownField): boolean => {
  const custom = config.custom ?? {};
  return Boolean(custom.hidden) || Boolean((custom.hideFrom as { viz?: boolean } | undefined)?.viz);
};

/** Row numbers in the wanted order; empty values last. */
export function sortRows(fields: Pick<ShownField, 'name' | 'field'>[], length: number, sort: Sort | undefined): number[] {
  const rows = Array.from({ length }, (_, i) => i);
  const values = sort && fields.find((f) => f.name === sort.name)?.field.values;
  if (!sort || !values) return rows;
  const sign = sort.desc ? -1 : 1;
  return rows.sort((a, b) => {
    const x = values[a] as unknown;
    const y = values[b] as unknown;
    if (x == null || y == null) return x == null ? (y == null ? 0 : 1) : -1;
    if (typeof x === 'number' && typeof y === 'number') return sign * (x - y);
    return sign * String(x).localeCompare(String(y), undefined, { numeric: true });
  });
}

function Cell({ shown, style, value }: { shown: ShownField; style: CellStyle; value: unknown }) {
  const absent = value === null || value === undefined || Number.isNaN(value);
  const { text, color, percent } = absent ? { text: shown.config.noValue ?? '', color: '', percent: 0 } : showValue(shown, value);
  const css: CSSProperties = { textAlign: style.align as CSSProperties['textAlign'] };
  if (!absent && style.kind.startsWith('color-text')) css.color = color;
  if (!absent && style.kind.startsWith('color-background')) Object.assign(css, { background: color, color: textOn(color) });
  const gauge = !absent && /gauge|lcd/.test(style.kind);
  return (
    <td style={css} title={text}>
      {gauge ? (
        <span className="cell-gauge">
          <span className="bar-track">
            <span className="bar-fill" style={{ width: `${Math.min(100, Math.max(0, percent * 100))}%`, background: color }} />
          </span>
          <span style={{ color }}>{text}</span>
        </span>
      ) : (
        text
      )}
    </td>
  );
}

function Footer({ fields, options }: { fields: ShownField[]; options: NonNullable<TableOptions['footer']> }) {
  const calc = options.reducer?.[0] ?? 'sum';
  const only = Array.isArray(options.fields) ? options.fields : options.fields ? [options.fields] : [];
  return (
    <tfoot>
      <tr>
        {fields.map((shown, i) => {
          const counted = shown.type === FieldType.number && (only.length === 0 || only.includes(shown.name));
          const value = counted ? (reduceField({ field: shown.field, reducers: [calc] })[calc] as unknown) : undefined;
          return (
            <td key={shown.name} style={{ textAlign: cellStyleOf(shown).align as CSSProperties['textAlign'] }}>
              {counted ? showValue(shown, value).text : i === 0 ? calc : ''}
            </td>
          );
        })}
      </tr>
    </tfoot>
  );
}

function FrameTable({ frame, options }: { frame: ShownFrame; options: TableOptions }) {
  const initial = options.sortBy?.[0];
  const [sort, setSort] = useState<Sort | undefined>(initial && { name: initial.displayName, desc: Boolean(initial.desc) });
  const [all, setAll] = useState(false);
  const fields = frame.fields.filter((f) => !isHidden(f));
  const styles = fields.map(cellStyleOf);
  const rows = useMemo(() => sortRows(frame.fields, frame.frame.length, sort), [frame, sort]);
  const shown = all ? rows : rows.slice(0, firstRows);
  const toggle = (name: string) => setSort((s) => ({ name, desc: s?.name === name ? !s.desc : false }));
  return (
    <>
      <table className={`data-table panel-table cell-${options.cellHeight ?? 'sm'}`}>
        {options.showHeader !== false && (
          <thead>
            <tr>
              {fields.map((f, i) => (
                <th
                  key={`${f.name} ${i}`}
                  style={{ width: styles[i]?.width, textAlign: styles[i]?.align as CSSProperties['textAlign'] }}
                  aria-sort={sort?.name === f.name ? (sort.desc ? 'descending' : 'ascending') : undefined}
                >
                  <button type="button" onClick={() => toggle(f.name)}>
                    {f.name}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
        )}
        <tbody>
          {shown.map((row) => (
            <tr key={row}>
              {fields.map((f, i) => (
                <Cell key={`${f.name} ${i}`} shown={f} style={styles[i] as CellStyle} value={f.field.values[row]} />
              ))}
            </tr>
          ))}
        </tbody>
        {options.footer?.show && <Footer fields={fields} options={options.footer} />}
      </table>
      {shown.length < rows.length && (
        <p className="series-limit" role="status">
          Showing {shown.length} of {rows.length} rows.
          <button type="button" className="text-button" onClick={() => setAll(true)}>
            Show all
          </button>
        </p>
      )}
    </>
  );
}

export function TablePanel({ panel, frames, theme, onDrawn }: PanelProps) {
  const [selected, setSelected] = useState(0);
  const shown = useMemo(() => showFrames(panel, frames, theme), [panel, frames, theme]);
  useEffect(onDrawn);
  const frame = shown[Math.min(selected, shown.length - 1)];
  if (!frame || frame.frame.length === 0) return <NoData panel={panel} onDrawn={onDrawn} />;
  return (
    <div className="table-panel">
      <div className="table-scroll">
        <FrameTable key={selected} frame={frame} options={(panel.options ?? {}) as TableOptions} />
      </div>
      {shown.length > 1 && (
        <select aria-label="Series" value={selected} onChange={(event) => setSelected(Number(event.target.value))}>
          {shown.map((f, i) => (
            <option key={i} value={i}>
              {f.frame.name ?? f.frame.refId ?? `Table ${i + 1}`}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
