/** Types of the module that scripts/grafana-palette.ts generates. */
declare module 'virtual:grafana-palette' {
  interface Palette {
    names: Record<string, string>;
    palette: string[];
  }
  const palettes: { dark: Palette; light: Palette };
  export default palettes;
}
