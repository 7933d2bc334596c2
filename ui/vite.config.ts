/**
 * Build, development server and unit test configuration.
 * The aliases keep parts of `@grafana/data` that we never use out of the bundle: translations, time zone tables, schema validation, and lodash as one block.
 */
import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { grafanaPalette } from './scripts/grafana-palette.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const backend = process.env.TIDEWATCH_URL ?? 'http://127.0.0.1:3100';

export default defineConfig(({ command }) => ({
  plugins: [react(), grafanaPalette()],
  resolve: {
    alias: [
      { find: /^@grafana\/i18n$/, replacement: here('./src/grafana/untranslated.ts') },
      // tests and the development server load all of @grafana/data, which reads its themes through the schemas
      ...(command === 'build' ? [{ find: /^zod$/, replacement: here('./src/grafana/unvalidated.ts') }] : []),
      { find: /^lodash$/, replacement: 'lodash-es' },
      { find: /^moment-timezone$/, replacement: here('./node_modules/moment-timezone/moment-timezone.js') },
    ],
  },
  build: {
    target: 'es2022',
    sourcemap: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
  },
  server: {
    host: '127.0.0.1',
    // with the page's own Host: the product refuses simulations asked for by pages of another origin
    proxy: { '/api': { target: backend }, '/-': { target: backend }, '/user': { target: backend } },
  },
  test: {
    setupFiles: ['./src/testSetup.ts'],
    include: ['src/**/*.test.ts', 'src/**/*.test.tsx'],
    server: { deps: { inline: [/@grafana\/data/] } },
  },
}));
