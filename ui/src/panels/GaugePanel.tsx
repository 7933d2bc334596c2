/** The gauge panel: a value on an arc, with its thresholds along the rim. Input: frames; reads `reduceOptions` and the field's min, max, thresholds. */
import { useEffect, useMemo } from 'react';
import type { ColorTheme } from '../grafana/theme';
import { showFrames, showValue } from './fields';
import { NoData } from './NoData';
import { reduceFrames, type Reduced, type ReduceOptions } from './reduce';
import { fitText, tile } from './StatPanel';
import type { PanelProps } from './types';

interface GaugeOptions {
  reduceOptions?: ReduceOptions;
  showThresholdMarkers?: boolean;
  showThresholdLabels?: boolean;
}

/** The arc covers this much to each side of the top, in degrees. */
const reach = 120;

/** The ends of the scale: the field's own, those its unit implies, or the data's. */
export function gaugeBounds({ shown }: Reduced): { min: number; max: number } {
  const { min, max, unit } = shown.config;
  const implied = unit === 'percent' ? 100 : unit === 'percentunit' ? 1 : undefined;
  const range = shown.field.state?.range;
  const low = min ?? 0;
  const high = max ?? implied ?? (range?.max != null && range.max > low ? range.max : 100);
  return { min: low, max: high };
}

const fraction = (value: number, { min, max }: { min: number; max: number }) => Math.min(1, Math.max(0, (value - min) / (max - min || 1)));

function point(radius: number, share: number): string {
  const angle = ((share * 2 - 1) * reach * Math.PI) / 180;
  return `${(Math.sin(angle) * radius).toFixed(2)} ${(-Math.cos(angle) * radius).toFixed(2)}`;
}

export function arc(radius: number, from: number, to: number): string {
  const large = (to - from) * reach * 2 > 180 ? 1 : 0;
  return `M${point(radius, from)}A${radius} ${radius} 0 ${large} 1 ${point(radius, to)}`;
}

/** Threshold steps as shares of the arc with their colours. */
function rim(item: Reduced, bounds: { min: number; max: number }, theme: ColorTheme) {
  const { thresholds } = item.shown.config;
  const steps = thresholds?.steps ?? [];
  const share = (value: number) => (thresholds?.mode === 'percentage' ? Math.min(1, Math.max(0, value / 100)) : fraction(value, bounds));
  return steps.map((step, i) => ({
    from: i === 0 ? 0 : share(step.value),
    to: i + 1 < steps.length ? share(steps[i + 1]?.value ?? Infinity) : 1,
    color: theme.color(step.color),
    value: step.value,
  }));
}

interface GaugeProps {
  item: Reduced;
  options: GaugeOptions;
  theme: ColorTheme;
  width: number;
  height: number;
  named: boolean;
}

function Gauge({ item, options, theme, width, height, named }: GaugeProps) {
  const { text, color } = showValue(item.shown, item.value);
  const bounds = gaugeBounds(item);
  const share = typeof item.value === 'number' && !Number.isNaN(item.value) ? fraction(item.value, bounds) : 0;
  const drawHeight = height - (named ? 20 : 0);
  const pixels = Math.max(20, Math.min(width, drawHeight * 1.25));
  return (
    <figure className="gauge" aria-label={`${item.name}: ${text}`}>
      <svg viewBox="-52 -52 104 82" width={pixels} height={(pixels / 104) * 82} aria-hidden="true">
        <path d={arc(40, 0, 1)} className="gauge-track" />
        {share > 0 && <path d={arc(40, 0, share)} stroke={color} className="gauge-value" />}
        {options.showThresholdMarkers !== false &&
          rim(item, bounds, theme).map((part) =>
            part.to > part.from ? <path key={part.from} d={arc(49, part.from, part.to)} stroke={part.color} className="gauge-rim" /> : null,
          )}
        <text y="6" fill={color} fontSize={Math.min(17, fitText(text, 60, 17))} className="gauge-text">
          {text}
        </text>
      </svg>
      {named && <figcaption title={item.name}>{item.name}</figcaption>}
    </figure>
  );
}

export function GaugePanel({ panel, frames, theme, width, height, onDrawn }: PanelProps) {
  const options = (panel.options ?? {}) as GaugeOptions;
  const items = useMemo(() => reduceFrames(showFrames(panel, frames, theme), options.reduceOptions ?? {}), [panel, frames, theme]);
  useEffect(onDrawn);
  if (items.length === 0) return <NoData panel={panel} onDrawn={onDrawn} />;
  const size = tile(items.length, width, height, 'auto', 1.2);
  return (
    <div className="tiles" style={{ gridTemplateColumns: `repeat(${size.columns}, minmax(0, 1fr))` }}>
      {items.map((item) => (
        <Gauge key={item.key} item={item} options={options} theme={theme} width={size.width} height={size.height} named={items.length > 1} />
      ))}
    </div>
  );
}
