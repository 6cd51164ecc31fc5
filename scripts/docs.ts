/**
 * `npm run docs:generate`: the parts of the documentation that are generated from tables. A test compares `rendered` with
 * the files on disk, so tables and documentation cannot drift apart.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { refusals } from '../src/call/refusals.ts';
import { schema } from '../src/config/schema.ts';
import type { Setting } from '../src/config/setting.ts';
import { type Decision, type Method, methods } from '../src/etcd/methods.ts';
import { Code } from '../src/grpc/status.ts';
import { render } from '../test/faults/report.ts';
import { readResults } from '../test/faults/results.ts';
import { advicePage } from './advice-page.ts';
import { chartValuesTable } from './chart-values.ts';
import { importRules } from './import-ranks.ts';
import { logsPage } from './logs-page.ts';

const codeNames = new Map(Object.entries(Code).map(([name, code]) => [code as number, name]));

const handling: { readonly [decision in Decision]: string } = {
  namespaced: 'forwarded; keys and lease IDs are rewritten in both directions',
  local: 'handled by the proxy',
  rejected: 'rejected, PermissionDenied',
};

/** Added where the owner of the cluster may call the method. */
const forOwner = '; for the owner of the cluster forwarded unchanged';

/** One row per service and decision, in the order of the table. */
function methodsTable(): string {
  const groups = new Map<string, Method[]>();
  for (const method of methods) {
    const key = `${method.service} ${method.decision} ${method.owner}`;
    groups.set(key, [...(groups.get(key) ?? []), method]);
  }
  const rows = [...groups.values()].map((group) => {
    const [first] = group as [Method, ...Method[]];
    return `| ${first.service} | ${group.map((m) => m.rpc).join(', ')} | ${handling[first.decision]}${first.owner ? forOwner : ''} |`;
  });
  return ['| service | methods | handling |', '| --- | --- | --- |', ...rows].join('\n');
}

function errorsPage(): string {
  const rows = Object.entries(refusals).map(
    ([name, r]) => `| \`${name}\` | ${codeNames.get(r.code)} | \`${r.text}\` | ${r.when} |`,
  );
  return `# Refusals
A refusal is a status that a layer of the proxy originates. It carries the trailer \`etcd-bulkhead-reason\` with one of
the names below. Codes and texts are etcd's wherever etcd has one, because client libraries compare whole texts.
Protocol errors that a transport reports, such as an unknown method, have gRPC's texts and no such trailer. This page is
generated from [src/call/refusals.ts](../src/call/refusals.ts) by \`npm run docs:generate\`.

| reason | code | text | when |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function configPage(): string {
  const rows = Object.entries(schema as Record<string, Setting>).map(([name, setting]) => {
    const environment = `ETCD_BULKHEAD_${name.toUpperCase().replaceAll('-', '_')}`;
    const fallback = setting.default === '' ? '' : `\`${setting.default}\``;
    const kind = setting.choices?.map((choice) => `\`${choice}\``).join(', ') ?? setting.kind;
    return `| \`--${name}\` | \`${environment}\` | ${kind} | ${fallback} | ${setting.reload} | ${setting.doc} |`;
  });
  return `# Settings
Each setting is a flag, an environment variable, and a key of the YAML or JSON file that \`--config\` names. A flag overrides the
environment, the environment overrides the file, and the file overrides the default. All problems of a configuration are reported
at once, before a port is bound, and the exit code is then 64. \`etcd-bulkhead print-config\` prints the effective configuration
with the origin of each value.

Files must be regular files of at most 16 MiB, or symbolic links to them. Only \`--config\` may also be a pipe, as in
\`--config /dev/stdin\` or \`--config <(command)\`. It is read once: a reload reads the files that it names again, but keeps its text.

The file may also contain the lists \`tenants\` and \`listeners\`; see [tenants.md](tenants.md). A reload (SIGHUP, or a change of a
file) applies changes of both lists and of the settings marked \`applied\`. Other changes need a restart.

Durations are written as in Go: \`500ms\`, \`5s\`, \`1m30s\`. Sizes are bytes, or have the unit KiB, MiB or GiB. This page is generated
from [src/config/settings/](../src/config/settings) by \`npm run docs:generate\`.

| flag | environment | kind | default | reload | meaning |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

/** The file with `content` between its markers `<!-- name: … -->` and `<!-- /name -->`. */
function withSection(path: string, name: string, content: string): string {
  return readFileSync(path, 'utf8').replace(
    new RegExp(`(<!-- ${name}: .* -->\\n)[\\s\\S]*?(<!-- /${name} -->)`),
    (_all, open: string, close: string) => `${open}${content}\n${close}`,
  );
}

const chartFolder = 'helm/etcd-bulkhead';

function chartReadme(): string {
  const [values = '', schema = ''] = ['values.yaml', 'values.schema.json'].map((name) =>
    readFileSync(`${chartFolder}/${name}`, 'utf8'),
  );
  return withSection(`${chartFolder}/README.md`, 'values', chartValuesTable(values, schema));
}

/** Path → generated content of the file. */
export function rendered(): ReadonlyMap<string, string> {
  const readme = withSection('README.md', 'methods', methodsTable());
  return new Map([
    ['README.md', readme],
    [`${chartFolder}/README.md`, chartReadme()],
    ['docs/errors.md', errorsPage()],
    ['docs/config.md', configPage()],
    ['docs/faults.md', render(readResults())],
    ['docs/logs.md', logsPage()],
    ['docs/advice.md', advicePage()],
    ['biome.imports.json', importRules()],
  ]);
}

if (import.meta.main) {
  for (const [path, content] of rendered()) writeFileSync(path, content);
}
