/**
 * Stands in for `zod` in the bundle. `@grafana/data` describes the input of its theme builder with zod schemas, and tidewatch never builds a theme in
 * the browser: the schemas are built and never used. This saves 60 kB, and zod's probe for `eval`, which the content security policy forbids.
 * Used only through the alias in vite.config.ts.
 */
type Schema = Record<string, () => Schema>;

/** Every refinement (`optional`, `required`, …) of a schema is the same schema that checks nothing. */
const schema: Schema = new Proxy({} as Schema, { get: () => make });

function make(): Schema {
  return schema;
}

export { make as array, make as boolean, make as int, make as literal, make as number, make as object, make as string, make as union, make as enum };
