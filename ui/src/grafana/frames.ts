/**
 * Query results as Grafana data frames, the shape that `@grafana/data` (reducers, display processors, transformations) and the panels of single
 * values and tables read. Input: results of the Prometheus API. Names and labels follow Grafana's Prometheus data source.
 */
import { FieldType, type DataFrame, type Field } from '@grafana/data';
import type { InstantResult, Labels, RangeResult } from '../api/prometheus';

const field = (name: string, type: FieldType, values: unknown[], labels?: Labels): Field => ({
  name,
  type,
  values,
  config: {},
  labels,
});

const named = (value: Field, name: string): Field => ({ ...value, config: { displayNameFromDS: name } });

/** One frame of time and value per series. */
export function rangeFrames(refId: string, result: RangeResult, names: string[]): DataFrame[] {
  return result.series.map((series, i) => ({
    refId,
    name: names[i],
    length: result.times.length,
    fields: [
      field('Time', FieldType.time, result.times),
      named(field('Value', FieldType.number, series.values, series.labels), names[i] as string),
    ],
  }));
}

/** One frame of one row per sample. */
export function instantFrames(refId: string, result: InstantResult, names: string[]): DataFrame[] {
  return result.samples.map((sample, i) => ({
    refId,
    name: names[i],
    length: 1,
    fields: [
      field('Time', FieldType.time, [sample.timeMs]),
      named(field('Value', FieldType.number, [sample.value], sample.labels), names[i] as string),
    ],
  }));
}

/** `Value`, or `Value #A` when the panel asks several queries. */
export const valueColumn = (refId: string, queries: number): string => (queries > 1 ? `Value #${refId}` : 'Value');

/** One frame: time, a column per label, the value. */
export function tableFrame(refId: string, rows: { labels: Labels; timeMs: number; value: number | null }[], column: string): DataFrame {
  const names = new Set<string>();
  for (const row of rows) for (const name in row.labels) names.add(name);
  const fields = [
    field('Time', FieldType.time, rows.map((row) => row.timeMs)),
    ...[...names].sort().map((name) => field(name, FieldType.string, rows.map((row) => row.labels[name] ?? ''))),
    field(column, FieldType.number, rows.map((row) => row.value)),
  ];
  return { refId, fields, length: rows.length };
}

/** All points of a range result as rows of one table. */
export function rangeTable(refId: string, result: RangeResult, column: string): DataFrame {
  const rows = result.series.flatMap((series) =>
    series.values.flatMap((value, i) => (value === null ? [] : [{ labels: series.labels, timeMs: result.times[i] as number, value }])),
  );
  return tableFrame(refId, rows, column);
}
