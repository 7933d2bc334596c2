/**
 * Vite plugin: serves the module `virtual:grafana-palette`, Grafana's named colours and classic palette for the dark and the light theme.
 * They come from `createTheme` of the installed `@grafana/data`, evaluated once in Node while building, so that the browser does not have
 * to load Grafana's whole theme code for sixty colour names. Nothing is written to disk.
 */
import { createRequire } from 'node:module';
import type { Plugin } from 'vite';

const virtualId = 'virtual:grafana-palette';
const resolvedId = '\0' + virtualId;

interface GrafanaVisualization {
  hues: { shades: { name: string; color: string }[] }[];
  palette: string[];
  getColorByName(name: string): string;
}

function paletteOf(mode: 'dark' | 'light') {
  const require = createRequire(import.meta.url);
  const grafana = require('@grafana/data') as {
    createTheme(options: object): { visualization: GrafanaVisualization };
  };
  const { visualization } = grafana.createTheme({ colors: { mode } });
  const names: Record<string, string> = {};
  for (const hue of visualization.hues) {
    for (const shade of hue.shades) names[shade.name] = shade.color;
  }
  const palette = visualization.palette.map((name) => visualization.getColorByName(name));
  return { names, palette };
}

export function grafanaPalette(): Plugin {
  return {
    name: 'grafana-palette',
    resolveId: (id) => (id === virtualId ? resolvedId : undefined),
    load(id) {
      if (id !== resolvedId) return undefined;
      return `export default ${JSON.stringify({ dark: paletteOf('dark'), light: paletteOf('light') })}`;
    },
  };
}
