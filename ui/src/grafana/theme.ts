/**
 * Grafana's colours for the current theme: named colours ("semi-dark-red"), the classic palette, and the little of Grafana's theme object that
 * the display processors of `@grafana/data` read.
 */
import type { GrafanaTheme2 } from '@grafana/data';
import palettes from 'virtual:grafana-palette';

export type ThemeName = 'dark' | 'light';

export interface ColorTheme {
  name: ThemeName;
  palette: string[];
  color: (name: string) => string;
  /** For `@grafana/data`. */
  grafana: GrafanaTheme2;
}

const surfaces = {
  dark: { text: '#dbe4ea', background: '#151c22' },
  light: { text: '#1a2630', background: '#ffffff' },
};

function build(name: ThemeName): ColorTheme {
  const { names, palette } = palettes[name];
  const surface = surfaces[name];
  const color = (wanted: string): string => {
    if (wanted === 'text') return surface.text;
    if (wanted === 'transparent') return 'rgba(0, 0, 0, 0)';
    return names[wanted] ?? wanted;
  };
  const grafana = {
    isDark: name === 'dark',
    isLight: name === 'light',
    colors: { mode: name, text: { primary: surface.text }, background: { primary: surface.background } },
    visualization: { palette, getColorByName: color },
  } as unknown as GrafanaTheme2;
  return { name, palette, color, grafana };
}

const built: Partial<Record<ThemeName, ColorTheme>> = {};

export function colorTheme(name: ThemeName): ColorTheme {
  return (built[name] ??= build(name));
}

/** A colour (#rgb, #rrggbb or rgb()) with the given opacity; what cannot be seen stays so. */
export function withAlpha(color: string, alpha: number): string {
  const short = /^#([\da-f])([\da-f])([\da-f])$/i.exec(color);
  const hex = short ? `${short[1]}${short[1]}${short[2]}${short[2]}${short[3]}${short[3]}` : /^#([\da-f]{6})/i.exec(color)?.[1];
  if (hex) {
    const [r, g, b] = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  }
  const channels = /^rgba?\(([^)]+)\)/.exec(color)?.[1]?.split(',');
  if (channels && channels[3] !== undefined && Number(channels[3]) === 0) return color;
  const parts = channels?.slice(0, 3);
  return parts ? `rgba(${parts.join(',')}, ${alpha})` : color;
}

/** Black or white, whichever reads better on the colour. */
export function textOn(color: string): string {
  const channels = /^rgba?\(([^)]+)\)/.exec(withAlpha(color, 1))?.[1]?.split(',').map(Number) ?? [];
  const [r = 0, g = 0, b = 0] = channels;
  return 0.299 * r + 0.587 * g + 0.114 * b > 150 ? '#12191f' : '#ffffff';
}
