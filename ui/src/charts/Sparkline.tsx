/** A small line without axes, drawn as SVG. Input: values in time order; missing values interrupt the line. */
import { withAlpha } from '../grafana/theme';

interface SparklineProps {
  values: (number | null)[];
  color: string;
  width: number;
  height: number;
  /** Fill down to the bottom, 0 to 1. */
  fill?: number;
  min?: number;
  max?: number;
}

/** Thinned to about one point per pixel; `M` begins a new piece after a gap. */
export function sparklinePath(values: (number | null)[], width: number, height: number, bounds: { min?: number; max?: number }): string {
  const present = values.filter((v): v is number => v !== null && Number.isFinite(v));
  if (present.length === 0) return '';
  let low = bounds.min ?? Infinity;
  let high = bounds.max ?? -Infinity;
  for (const value of present) {
    if (bounds.min === undefined && value < low) low = value;
    if (bounds.max === undefined && value > high) high = value;
  }
  const span = high - low || 1;
  const stride = Math.max(1, Math.floor(values.length / Math.max(width, 1)));
  const parts: string[] = [];
  let pen = 'M';
  for (let i = 0; i < values.length; i += stride) {
    const value = values[i];
    if (value == null || !Number.isFinite(value)) {
      pen = 'M';
      continue;
    }
    const x = values.length > 1 ? (i / (values.length - 1)) * width : width;
    const y = high === low ? height / 2 : height - 1 - ((value - low) / span) * (height - 2);
    parts.push(`${pen}${x.toFixed(1)} ${y.toFixed(1)}`);
    pen = 'L';
  }
  return parts.join('');
}

export function Sparkline({ values, color, width, height, fill = 0, min, max }: SparklineProps) {
  const line = sparklinePath(values, width, height, { min, max });
  if (!line) return <svg className="sparkline" width={width} height={height} aria-hidden="true" />;
  const closed = line
    .split('M')
    .filter(Boolean)
    .map((piece) => {
      const first = piece.split(' ')[0];
      const last = piece.split('L').at(-1)?.split(' ')[0];
      return `M${first} ${height}L${piece}L${last} ${height}Z`;
    })
    .join('');
  return (
    <svg className="sparkline" width={width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {fill > 0 && <path d={closed} fill={withAlpha(color, fill)} />}
      <path d={line} fill="none" stroke={color} strokeWidth="1.5" strokeLinejoin="round" vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
