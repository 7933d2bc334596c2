/**
 * Runs a panel's transformations with Grafana's own implementations. Loaded only by dashboards that have some: it is the largest part of
 * `@grafana/data`. A transformation that is not known is refused by name.
 */
import {
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
  type DataFrame,
  type DataTransformerConfig,
  type DataTransformerInfo,
} from '@grafana/data';

const known = new Map<string, DataTransformerInfo>(
  (Object.values(standardTransformers) as unknown as DataTransformerInfo[]).map((info) => [info.id, info]),
);

standardTransformersRegistry.setInit(() =>
  [...known.values()].map((info) => ({
    id: info.id,
    name: info.name,
    transformation: () => Promise.resolve(info),
    editor: () => null,
  })) as unknown as ReturnType<typeof standardTransformersRegistry.list>,
);

export function transform(
  configs: DataTransformerConfig[],
  frames: DataFrame[],
  interpolate: (text: string) => string,
): Promise<DataFrame[]> {
  const active = configs.filter((config) => !config.disabled);
  for (const { id } of active) {
    if (!known.has(id)) throw new Error(`transformation "${id}" is not supported`);
  }
  return new Promise((resolve, reject) => {
    transformDataFrame(active, frames, { interpolate }).subscribe({ next: resolve, error: reject });
  });
}
