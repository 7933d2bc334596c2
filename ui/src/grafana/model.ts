/**
 * The classic Grafana dashboard model (schemaVersion 39 to 42), as far as tidewatch reads it. Everything is optional that Grafana leaves out
 * when it has its default value.
 */
import type { DataTransformerConfig, FieldConfig, FieldConfigSource } from '@grafana/data';

export interface GridPos {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface QueryTarget {
  refId: string;
  expr?: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
  interval?: string;
  intervalFactor?: number;
  hide?: boolean;
  /** Asks for exemplars too. */
  exemplar?: boolean;
}

/** Options and custom field configuration are typed by the panel type that reads them. */
export type Options = Record<string, unknown>;
export type PanelFieldConfig = FieldConfigSource<Options>;
export type ResolvedConfig = FieldConfig<Options>;

export interface PanelModel {
  id?: number;
  type: string;
  title?: string;
  description?: string;
  gridPos?: GridPos;
  targets?: QueryTarget[];
  options?: Options;
  fieldConfig?: Partial<PanelFieldConfig>;
  transformations?: DataTransformerConfig[];
  interval?: string;
  maxDataPoints?: number | null;
  timeFrom?: string | null;
  timeShift?: string | null;
  transparent?: boolean;
  repeat?: string;
  repeatDirection?: 'h' | 'v';
  maxPerRow?: number;
  /** Rows only. */
  collapsed?: boolean;
  panels?: PanelModel[];
}

export interface VariableOption {
  text: string | string[];
  value: string | string[];
  selected?: boolean;
}

export interface VariableModel {
  name: string;
  label?: string | null;
  type: string;
  /** 0 shown, 1 without label, 2 hidden. */
  hide?: number;
  query?: string | { query?: string; refId?: string };
  definition?: string;
  regex?: string;
  sort?: number;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  /** 0 never, 1 on load, 2 when the time range changes. */
  refresh?: number;
  options?: VariableOption[];
  current?: Partial<VariableOption>;
  auto?: boolean;
  auto_count?: number;
  auto_min?: string;
}

export interface DashboardModel {
  uid?: string;
  title?: string;
  description?: string;
  tags?: string[];
  schemaVersion?: number;
  panels?: PanelModel[];
  templating?: { list?: VariableModel[] };
  time?: { from: string; to: string };
  refresh?: string | boolean;
  /** 0 nothing shared, 1 shared crosshair, 2 shared crosshair and tooltip. */
  graphTooltip?: number;
  links?: unknown[];
}
