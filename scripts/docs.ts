/**
 * `npm run docs:generate`: the parts of the documentation that are generated from tables. A test compares `rendered` with
 * the files on disk, so tables and documentation cannot drift apart.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { refusals } from '../src/call/refusals.ts';
import { type Setting, schema } from '../src/config/schema.ts';
import { type Decision, type Method, methods } from '../src/etcd/methods.ts';
import { Code } from '../src/grpc/status.ts';
import { importRules } from './import-ranks.ts';

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
    return `| \`--${name}\` | \`${environment}\` | ${setting.kind} | ${fallback} | ${setting.doc} |`;
  });
  return `# Settings
Each is a flag, an environment variable, and under the flag's name a key of the file that \`--config\` names; a flag beats the
environment, the environment beats the file. Every mistake of a configuration is reported at once, before a port is bound, and
ends the program with 64. \`etcd-bulkhead print-config\` shows what is in force and where it came from. The file may also hold
\`tenants\` and \`listeners\`, see [tenants.md](tenants.md). This page is made from [src/config/schema.ts](../src/config/schema.ts) by
\`npm run docs:generate\`.

| flag | environment | kind | default | meaning |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

/** Path → generated content of the file. */
export function rendered(): ReadonlyMap<string, string> {
  const readme = readFileSync('README.md', 'utf8').replace(
    /(<!-- methods: .* -->\n)[\s\S]*?(<!-- \/methods -->)/,
    (_all, open: string, close: string) => `${open}${methodsTable()}\n${close}`,
  );
  return new Map([
    ['README.md', readme],
    ['docs/errors.md', errorsPage()],
    ['docs/config.md', configPage()],
    ['biome.imports.json', importRules()],
  ]);
}

if (import.meta.main) {
  for (const [path, content] of rendered()) writeFileSync(path, content);
}
