/**
 * Field configuration: Grafana's defaults and overrides of a panel, resolved for one field. Input: `fieldConfig` of the panel and what the field
 * is called. Output: the configuration that holds for that field. Fields without a matching override share one object, so that whatever is derived
 * from it is computed once.
 */
import { ThresholdsMode } from '@grafana/data';
import type { PanelFieldConfig, ResolvedConfig } from './model';

export interface FieldIdentity {
  /** The name a person sees. */
  name: string;
  /** The column's own name, for tables. */
  column?: string;
  type: string;
  refId?: string;
}

type Rule = NonNullable<PanelFieldConfig['overrides']>[number];

function patternOf(text: string): RegExp {
  const slashed = /^\/(.*)\/([a-z]*)$/s.exec(text);
  return slashed ? new RegExp(slashed[1] as string, slashed[2]?.replace(/[gy]/g, '')) : new RegExp(text);
}

function matches(rule: Rule, field: FieldIdentity): boolean {
  const { id, options } = rule.matcher;
  switch (id) {
    case 'byName':
      return field.name === options || field.column === options;
    case 'byRegexp':
      return patternOf(String(options)).test(field.name);
    case 'byType':
      return field.type === options;
    case 'byFrameRefID':
      return field.refId === options;
    case 'byNames': {
      const { names = [], mode } = (options ?? {}) as { names?: string[]; mode?: string };
      return names.includes(field.name) !== (mode === 'exclude');
    }
    default:
      return false;
  }
}

function setPath(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  let at = target;
  for (const key of keys.slice(0, -1)) {
    const next = at[key];
    at[key] = next && typeof next === 'object' ? { ...next } : {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys.at(-1) as string] = value;
}

/** JSON has no -Infinity: the base step's null stands for it. */
function withBaseStep(config: ResolvedConfig): ResolvedConfig {
  const steps = config.thresholds?.steps;
  if (!steps) return { ...config, thresholds: { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }] } };
  const numbered = steps.map((step, i) => (i === 0 || step.value === null ? { ...step, value: step.value ?? -Infinity } : step));
  return { ...config, thresholds: { mode: config.thresholds?.mode ?? ThresholdsMode.Absolute, steps: numbered } };
}

export type ConfigResolver = (field: FieldIdentity) => ResolvedConfig;

export function configResolver(fieldConfig: Partial<PanelFieldConfig> | undefined): ConfigResolver {
  const defaults = withBaseStep({ ...(fieldConfig?.defaults as ResolvedConfig | undefined) });
  const overrides = fieldConfig?.overrides ?? [];
  const shared = new Map<string, ResolvedConfig>();
  return (field) => {
    const matching = overrides.filter((rule) => matches(rule, field));
    if (matching.length === 0) return defaults;
    const key = matching.map((rule) => overrides.indexOf(rule)).join(',');
    const known = shared.get(key);
    if (known) return known;
    const config: ResolvedConfig = { ...defaults, custom: { ...defaults.custom } };
    for (const rule of matching) {
      for (const { id, value } of rule.properties) {
        setPath(config as Record<string, unknown>, id === 'filterable' ? 'custom.filterable' : id, value);
      }
    }
    const resolved = withBaseStep(config);
    shared.set(key, resolved);
    return resolved;
  };
}
