/**
 * Checks of the Helm chart that need no Helm: values, schema, templates, program and package agree with each other.
 * test/integration/helm.test.ts renders the chart.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { chartValues } from '../../../scripts/chart-values.ts';
import { isSettingName, settingNames, settingOf } from '../../../src/config/schema.ts';

const repository = new URL('../../../', import.meta.url);

function read(path: string): string {
  return readFileSync(new URL(path, repository), 'utf8');
}

const chartFolder = 'helm/etcd-bulkhead/';
const chart = parse(read(`${chartFolder}Chart.yaml`));
const values: unknown = parse(read(`${chartFolder}values.yaml`));
const schema: unknown = JSON.parse(read(`${chartFolder}values.schema.json`));
const templateFolder = new URL(`${chartFolder}templates/`, repository);
const templates = readdirSync(templateFolder, { recursive: true, withFileTypes: true })
  .filter((each) => each.isFile())
  .map((each) => readFileSync(join(each.parentPath, each.name), 'utf8'))
  .join('\n');

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Paths of all values, for example `etcd.tls.secretName`. Objects without properties in the schema are leaves. */
function pathsOf(node: SchemaNode, at: readonly string[] = []): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    child.properties === undefined ? [[...at, name].join('.')] : pathsOf(child, [...at, name]),
  );
}

function valuePaths(value: unknown, node: SchemaNode, at: readonly string[] = []): string[] {
  if (!isRecord(value) || (at.length > 0 && node.properties === undefined)) {
    return [at.join('.')];
  }
  return Object.entries(value).flatMap(([name, child]) =>
    valuePaths(child, node.properties?.[name] ?? {}, [...at, name]),
  );
}

function closedObjects(node: SchemaNode): readonly SchemaNode[] {
  const children = Object.values(node.properties ?? {}).flatMap(closedObjects);
  return node.properties === undefined ? children : [node, ...children];
}

function asSchema(node: unknown): SchemaNode {
  if (!isRecord(node)) {
    throw new TypeError('the schema is not an object');
  }
  return node;
}

describe('the chart', () => {
  test('has the version of the program', () => {
    expect(chart.appVersion).toBe(JSON.parse(read('package.json')).version);
  });

  test('has a schema with exactly the values of values.yaml', () => {
    const known = pathsOf(asSchema(schema)).filter((path) => path !== 'global');
    expect(valuePaths(values, asSchema(schema)).sort()).toEqual(known.sort());
  });

  test('describes every value', () => {
    const described = chartValues(
      read(`${chartFolder}values.yaml`),
      read(`${chartFolder}values.schema.json`),
    );
    expect(described.length).toBeGreaterThan(100);
    expect(described.filter(({ description }) => description === '')).toEqual([]);
  });

  test('has a schema that its files of values fit', () => {
    const validate = new Ajv({ strict: false }).compile(asSchema(schema));
    const folder = new URL(`${chartFolder}ci/`, repository);
    const files = readdirSync(folder).map((name) => `ci/${name}`);
    expect(files.length).toBeGreaterThan(3);
    for (const name of ['values.yaml', ...files]) {
      validate(parse(read(`${chartFolder}${name}`)));
      expect(validate.errors ?? [], name).toEqual([]);
    }
  });

  test.each([
    ['a misspelt value', { gateway: { replica: 3 } }],
    ['a port by its name', { gateway: { port: 'etcd' } }],
    ['a name of a port that is too long', { gateway: { extraPorts: { 'a-name-with-16-ch': 1 } } }],
    ['a digest that is not one', { image: { digest: 'sha256:abc' } }],
    ['an interval without a unit', { podMonitor: { interval: '30' } }],
    [
      'a stabilization longer than Kubernetes permits',
      { gateway: { hpa: { scaleDownAfterSeconds: 3_601 } } },
    ],
    ['a Secret without a key', { clients: { users: { secretName: 'a', key: '' } } }],
  ])('has a schema that rejects %s', (_, wrong) => {
    expect(new Ajv({ strict: false }).validate(asSchema(schema), wrong)).toBe(false);
  });

  test('rejects unknown values at every depth', () => {
    const closed = closedObjects(asSchema(schema));
    expect(closed.length).toBeGreaterThan(10);
    for (const node of closed) {
      expect(node).toMatchObject({ additionalProperties: false });
    }
  });

  test('uses only existing values in its templates', () => {
    const used = [...templates.matchAll(/\.Values((?:\.\w+)+)/g)].map(([, path = '']) =>
      path.split('.').slice(1),
    );
    expect(used.length).toBeGreaterThan(20);
    // What `config` contains is a matter of the program.
    const ofProgram = ['tenants', 'listeners'];
    for (const path of used.filter((each) => !ofProgram.includes(each[1] ?? ''))) {
      const found = path.reduce<unknown>(
        (node, name) => (isRecord(node) ? node[name] : undefined),
        values,
      );
      expect(found, path.join('.')).toBeDefined();
    }
  });

  test('uses every value in its templates', () => {
    // Some objects are rendered as whole blocks. Inside a `with`, a template uses only the last name of a path.
    const blocks = new Set(
      [...templates.matchAll(/toYaml (?:\(omit )?[$\w.]*\.(\w+)/g)].map(([, name]) => name),
    );
    for (const path of pathsOf(asSchema(schema)).filter((each) => each !== 'global')) {
      const names = path.split('.');
      const name = names.at(-1) ?? '';
      const isUsed = new RegExp(`\\.${name}\\b|"${name}"`).test(templates);
      expect(isUsed || names.some((each) => blocks.has(each)), path).toBe(true);
    }
  });

  test('passes only flags of the program', () => {
    const flags = [...templates.matchAll(/- --([a-z-]+)/g)].map(([, flag = '']) => flag);
    expect(flags).toContain('endpoints');
    const ofWait = ['timeout'];
    expect(flags.filter((flag) => !isSettingName(flag) && !ofWait.includes(flag))).toEqual([]);
  });

  test('has Secrets for every file of the program that is one, with a folder for each', () => {
    const files = settingNames.filter((name) => settingOf(name).kind === 'file');
    // A key set and a configuration are public, and belong into `config` and `extraVolumes`.
    const secret = files.filter((name) => name !== 'config' && name !== 'jwks-file');
    for (const name of secret) expect(templates).toContain(`- --${name}=/etc/etcd-bulkhead/`);
  });
});

describe('the image', () => {
  test('copies exactly what .dockerignore includes', () => {
    const sent = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = read('Dockerfile')
      .split('\n')
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(copied.sort()).toEqual(sent.sort());
  });

  test('leaves the size of the heap to the variable that the chart sets', () => {
    // A flag of the entry point would take precedence over NODE_OPTIONS.
    const entryPoint = /^ENTRYPOINT (.*)$/m.exec(read('Dockerfile'))?.[1];
    expect(entryPoint).toBeDefined();
    expect(entryPoint).not.toMatch(/semi-space|old-space/);
    expect(templates).toContain('name: NODE_OPTIONS');
  });

  test('has the same major version of Node as the tests', () => {
    const pinned = /\d+/.exec(JSON.parse(read('package.json')).devDependencies.node)?.[0];
    for (const file of ['Dockerfile', 'docker-bake.hcl']) {
      expect(read(file)).toMatch(new RegExp(`[= ]"?node:${pinned}-`));
      expect(read(file)).toMatch(new RegExp(`/nodejs${pinned}-`));
    }
  });
});

test('docs/dependencies.md lists every dependency, and only dependencies', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const rows = read('docs/dependencies.md').split('## Programs')[0] ?? '';
  const documented = [...rows.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = '']) =>
    cell.split(', ').map((name) => name.replaceAll('`', '').trim()),
  );
  const declared = Object.keys({ ...dependencies, ...devDependencies });
  expect(documented.sort()).toEqual(declared.sort());
});
