/** The stat panel: big values with an optional sparkline. Input: frames; reads `reduceOptions`, `graphMode`, `colorMode`, `textMode`, `orientation`. */
import { useEffect, useMemo } from 'react';
import { Sparkline } from '../charts/Sparkline';
import { textOn, withAlpha } from '../grafana/theme';
import { showFrames, showValue } from './fields';
import { NoData } from './NoData';
import { reduceFrames, type Reduced, type ReduceOptions } from './reduce';
import type { PanelProps } from './types';

interface StatOptions {
  reduceOptions?: ReduceOptions;
  graphMode?: 'none' | 'area' | 'line';
  colorMode?: 'value' | 'background' | 'background_solid' | 'none';
  textMode?: 'auto' | 'value' | 'value_and_name' | 'name' | 'none';
  orientation?: 'auto' | 'horizontal' | 'vertical';
  justifyMode?: 'auto' | 'center';
}

export interface Tiles {
  columns: number;
  rows: number;
  width: number;
  height: number;
}

/** Tiles of equal size that fill a box: side by side, one below the other, or whatever leaves the most room for content of that aspect ratio. */
export function tile(count: number, width: number, height: number, orientation = 'auto', aspect = 2.4, gap = 6): Tiles {
  const shape = (columns: number): Tiles => {
    const rows = Math.ceil(count / columns);
    return { columns, rows, width: (width - gap * (columns - 1)) / columns, height: (height - gap * (rows - 1)) / rows };
  };
  if (orientation === 'horizontal') return shape(1);
  if (orientation === 'vertical') return shape(count);
  const room = (t: Tiles) => Math.min(t.width / aspect, t.height);
  let best = shape(1);
  for (let columns = 2; columns <= count; columns++) {
    const candidate = shape(columns);
    if (room(candidate) > room(best)) best = candidate;
  }
  return best;
}

/** Font size at which a text fits a box, in pixels. */
export function fitText(text: string, width: number, height: number, largest = 54): number {
  return Math.max(10, Math.min(largest, height, width / Math.max(text.length * 0.62, 1)));
}

interface TileProps {
  item: Reduced;
  options: StatOptions;
  size: Tiles;
  named: boolean;
  valued: boolean;
}

function StatTile({ item, options, size, named, valued }: TileProps) {
  const { text, color } = showValue(item.shown, item.value);
  const background = options.colorMode?.startsWith('background') ?? false;
  const plain = options.colorMode === 'none' || item.value == null;
  const ink = background && !plain ? textOn(color) : plain ? 'var(--text)' : color;
  const graph = options.graphMode !== 'none' && (item.values?.length ?? 0) > 1;
  const nameHeight = named && valued ? Math.min(20, size.height * 0.3) : 0;
  const graphHeight = graph ? size.height * 0.38 : 0;
  const valueSize = fitText(text, size.width - 28, (size.height - nameHeight - graphHeight * 0.6) * 0.72);
  const centred = options.justifyMode === 'center' || !graph;
  return (
    <div
      className={`stat-tile ${centred ? 'centred' : ''}`}
      style={{ background: background && !plain ? color : undefined, color: ink }}
      title={`${item.name}: ${text}`}
    >
      {graph && (
        <div className="stat-graph">
          <Sparkline
            values={item.values ?? []}
            color={background && !plain ? withAlpha(textOn(color), 0.5) : color.startsWith('var') ? '#8090a0' : color}
            width={Math.round(size.width)}
            height={Math.round(graphHeight)}
            fill={background ? 0.15 : 0.18}
          />
        </div>
      )}
      {named && <div className={valued ? 'stat-name' : 'stat-value'}>{item.name}</div>}
      {valued && (
        <div className="stat-value" style={{ fontSize: valueSize }}>
          {text}
        </div>
      )}
    </div>
  );
}

export function StatPanel({ panel, frames, theme, width, height, onDrawn }: PanelProps) {
  const options = (panel.options ?? {}) as StatOptions;
  const items = useMemo(
    () => reduceFrames(showFrames(panel, frames, theme), options.reduceOptions ?? {}),
    [panel, frames, theme],
  );
  useEffect(onDrawn);
  if (items.length === 0) return <NoData panel={panel} onDrawn={onDrawn} />;
  const size = tile(items.length, width, height, options.orientation);
  const mode = options.textMode ?? 'auto';
  const named = mode === 'name' || mode === 'value_and_name' || (mode === 'auto' && items.length > 1);
  return (
    <div className="tiles" style={{ gridTemplateColumns: `repeat(${size.columns}, minmax(0, 1fr))` }}>
      {items.map((item) => (
        <StatTile key={item.key} item={item} options={options} size={size} named={named} valued={mode !== 'name' && mode !== 'none'} />
      ))}
    </div>
  );
}
