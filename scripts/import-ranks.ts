/**
 * The import rule of src/: one ranked list of folders and root files, from which the lint rule is generated
 * (`npm run docs:generate` writes biome.imports.json). A folder may import those in rows below its own. Folders of one row
 * do not see each other.
 */

/** From top to bottom. */
export const ranks: readonly (readonly string[])[] = [
  ['main.ts'],
  ['cli'],
  ['workers'],
  ['proxy'],
  ['pipeline.ts'],
  ['discovery'],
  ['gateway', 'admin'],
  [
    'observe',
    'lifecycle',
    'identity',
    'admission',
    'watch',
    'reads',
    'namespace',
    'lease',
    'guard',
    'upstream',
  ],
  ['call'],
  ['tenant'],
  ['config'],
  ['etcd'],
  ['rewrite'],
  ['grpc'],
  ['http2'],
  ['protobuf'],
  ['runtime'],
];

/** Libraries that one folder wraps for all others. */
export const wrappedLibraries: Readonly<Record<string, string>> = {
  '@grpc/grpc-js': 'grpc/grpc-js',
  opossum: 'guard/breaker',
  pino: 'observe',
  '@opentelemetry/api': 'observe/tracing',
  '@opentelemetry/exporter-trace-otlp-http': 'observe/tracing',
  '@opentelemetry/resources': 'observe/tracing',
  'prom-client': 'observe',
  jose: 'identity',
  bcryptjs: 'identity',
};

const isFile = (name: string): boolean => name.endsWith('.ts');

/** What a file in `name` must not import: every rank above its own, and its siblings. */
function forbiddenFor(name: string, row: number): readonly string[] {
  return ranks
    .slice(0, row + 1)
    .flat()
    .filter((each) => each !== name);
}

/** A pattern per forbidden folder, relative to any depth below it. */
function pattern(name: string): string {
  return isFile(name) ? `**/${name}` : `**/${name}/**`;
}

function librariesForbiddenIn(name: string): readonly string[] {
  return Object.entries(wrappedLibraries)
    .filter(([, folder]) => folder !== name && !folder.startsWith(`${name}/`))
    .map(([library]) => library);
}

function override(includes: readonly string[], name: string, row: number): object {
  const below = ranks
    .slice(row + 1)
    .flat()
    .join(', ');
  const paths = Object.fromEntries(
    librariesForbiddenIn(name).map((library) => [
      library,
      `Only src/${wrappedLibraries[library]}/ imports this library.`,
    ]),
  );
  const group = forbiddenFor(name, row).map(pattern);
  const message = `Imports point downward: ${name} may import ${below === '' ? 'nothing of the project' : below}.`;
  return {
    includes,
    linter: {
      rules: {
        style: {
          noRestrictedImports: {
            level: 'error',
            options: {
              paths,
              ...(group.length > 0 && { patterns: [{ group, message }] }),
            },
          },
        },
      },
    },
  };
}

/** The content of biome.imports.json, which biome.json extends. */
export function importRules(): string {
  const overrides = ranks.flatMap((row, index) =>
    row.map((name) => override([isFile(name) ? `src/${name}` : `src/${name}/**`], name, index)),
  );
  return `${JSON.stringify({ overrides }, null, 2)}\n`;
}
