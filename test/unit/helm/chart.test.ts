/**
 * Checks of the Helm chart that need no Helm: values, schema, templates, program and package agree with each other.
 * test/integration/helm.test.ts renders the chart.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { isSettingName } from '../../../src/config/schema.ts';

const repository = new URL('../../../', import.meta.url);

function read(path: string): string {
  return readFileSync(new URL(path, repository), 'utf8');
}

const chartFolder = 'helm/etcd-bulkhead/';
const chart = parse(read(`${chartFolder}Chart.yaml`));
const values: unknown = parse(read(`${chartFolder}values.yaml`));
const schema: unknown = JSON.parse(read(`${chartFolder}values.schema.json`));
const templates = readdirSync(new URL(`${chartFolder}templates/`, repository))
  .map((name) => read(`${chartFolder}templates/${name}`))
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
    for (const path of used) {
      const found = path.reduce<unknown>(
        (node, name) => (isRecord(node) ? node[name] : undefined),
        values,
      );
      expect(found, path.join('.')).toBeDefined();
    }
  });

  test('uses every value in its templates', () => {
    for (const path of pathsOf(asSchema(schema)).filter((each) => each !== 'global')) {
      // Probes are rendered as whole blocks. Inside a `with`, a template uses only the last name of a path.
      const name = path.split('.').at(-1);
      const isUsed = templates.includes(`.${name}`) || path.startsWith('probes.');
      expect(isUsed, path).toBe(true);
    }
  });

  test('passes only flags of the program', () => {
    const flags = [...templates.matchAll(/- --([a-z-]+)/g)].map(([, flag = '']) => flag);
    expect(flags).toContain('endpoints');
    expect(flags.filter((flag) => !isSettingName(flag))).toEqual([]);
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

  test('has the same major version of Node as the tests', () => {
    const pinned = /\d+/.exec(JSON.parse(read('package.json')).devDependencies.node)?.[0];
    expect(read('Dockerfile')).toMatch(new RegExp(`^FROM node:${pinned}-`, 'm'));
    expect(read('Dockerfile')).toMatch(new RegExp(`^FROM \\S+/nodejs${pinned}-`, 'm'));
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
