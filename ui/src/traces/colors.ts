/**
 * Colours of services: the same service has the same colour on every page, unless another service of the page has taken it. Colours close to red are
 * left out, because red means an error.
 */
import type { ColorTheme } from '../grafana/theme';

const hues = {
  dark: ['#4cc3d0', '#e0a44c', '#9d8df1', '#7fbf6a', '#5a9bf0', '#d48bc9', '#c3c05a', '#52b79a', '#b08968', '#8fa8c8', '#7ad0f5', '#c7a6ff'],
  light: ['#0b8395', '#b06f00', '#6a52d9', '#3f8a2a', '#2467c9', '#a8479a', '#857f00', '#14805f', '#85603c', '#4f6b8f', '#0f7fb8', '#8a4fd6'],
};

function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h ^ (h >>> 15)) >>> 0;
}

/** More services than colours share them. */
export function serviceSlots(services: string[], slots: number): Map<string, number> {
  const taken = new Set<number>();
  const result = new Map<string, number>();
  for (const service of [...new Set(services)].sort()) {
    if (taken.size === slots) taken.clear();
    let slot = hash(service) % slots;
    while (taken.has(slot)) slot = (slot + 1) % slots;
    taken.add(slot);
    result.set(service, slot);
  }
  return result;
}

export function serviceColors(services: string[], theme: ColorTheme): Map<string, string> {
  const palette = hues[theme.name];
  return new Map([...serviceSlots(services, palette.length)].map(([service, slot]) => [service, palette[slot] as string]));
}
