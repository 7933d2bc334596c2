/**
 * Panels of single values (stat, gauge, bar gauge): reduces each numeric field with the panel's `reduceOptions`, with Grafana's own reducers.
 * Input: shown frames. Output: one value per field and calculation, or per row when the panel asks for all values.
 */
import { FieldType, reduceField, ReducerID } from '@grafana/data';
import type { ShownField, ShownFrame } from './fields';

export interface ReduceOptions {
  values?: boolean;
  calcs?: string[];
  /** Empty: numeric fields; otherwise a name or /pattern/. */
  fields?: string;
  limit?: number;
}

export interface Reduced {
  key: string;
  name: string;
  shown: ShownField;
  value: unknown;
  /** For the sparkline. */
  times?: number[];
  values?: (number | null)[];
}

const defaultLimit = 25;

function wanted(shown: ShownField, fields: string | undefined): boolean {
  if (!fields) return shown.type === FieldType.number;
  if (shown.type === FieldType.time) return false;
  const pattern = /^\/(.*)\/([a-z]*)$/s.exec(fields);
  return pattern ? new RegExp(pattern[1] as string, pattern[2]).test(shown.name) : shown.name === fields;
}

/** In table-like frames the text of the row names the value, as in Grafana. */
function rowName(frame: ShownFrame, row: number, fallback: string): string {
  const texts = frame.fields.filter((f) => f.type === FieldType.string).map((f) => String(f.field.values[row]));
  return texts.length > 0 ? texts.join(' ') : fallback;
}

export function reduceFrames(frames: ShownFrame[], options: ReduceOptions): Reduced[] {
  const calcs = options.calcs?.length ? options.calcs : [ReducerID.lastNotNull];
  const reduced: Reduced[] = [];
  frames.forEach((frame, frameIndex) => {
    const times = frame.fields.find((f) => f.type === FieldType.time)?.field.values as number[] | undefined;
    frame.fields.forEach((shown, fieldIndex) => {
      if (!wanted(shown, options.fields)) return;
      const key = `${frameIndex}.${fieldIndex}`;
      const values = shown.field.values as (number | null)[];
      if (options.values) {
        const limit = Math.min(values.length, options.limit ?? defaultLimit);
        for (let row = 0; row < limit; row++) {
          reduced.push({ key: `${key}.${row}`, name: rowName(frame, row, shown.name), shown, value: values[row] });
        }
        return;
      }
      const results = reduceField({ field: shown.field, reducers: calcs });
      for (const calc of calcs) {
        const name = calcs.length > 1 ? `${shown.name} ${calc}` : shown.name;
        reduced.push({ key: `${key}.${calc}`, name, shown, value: results[calc], times, values });
      }
    });
  });
  return reduced;
}
