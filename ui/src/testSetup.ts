/** What the unit tests need of a browser: the language that `@grafana/data` asks for. The rest of the browser is tested in e2e/. */
if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { language: 'en-US', languages: ['en-US'] } });
