/**
 * Renders the chart with Helm and checks the resulting Kubernetes objects. Helm is taken from the PATH, or built once by
 * Go, from Helm's module, into the user's cache. Without Helm and Go these tests are skipped; test/unit/helm checks what
 * needs neither.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { TemporaryDirectory } from '../support/temporary-directory.ts';

const helmVersion = 'v3.19.0';
/** Helm built from its module assumes Kubernetes 1.20 unless this flag is set. */
const kubeVersion = '--kube-version=1.31.0';
const buildTimeoutMs = 300_000;
const chart = fileURLToPath(new URL('../../helm/etcd-bulkhead', import.meta.url));

async function succeeds(
  command: string,
  args: readonly string[],
  environment = {},
): Promise<boolean> {
  try {
    const env = { ...process.env, ...environment };
    await promisify(execFile)(command, args, { env, timeout: buildTimeoutMs });
    return true;
  } catch {
    return false;
  }
}

/** The command that runs Helm, or null if there is neither Helm nor Go. */
async function findHelm(): Promise<string | null> {
  if (await succeeds('helm', ['version'])) {
    return 'helm';
  }
  const folder = join(homedir(), '.cache', 'etcd-bulkhead', `helm-${helmVersion}`);
  const built = join(folder, 'helm');
  const module = `helm.sh/helm/v3/cmd/helm@${helmVersion}`;
  const isThere =
    existsSync(built) || (await succeeds('go', ['install', module], { GOBIN: folder }));
  return isThere ? built : null;
}

// Not run synchronously: a build takes a minute, and the test runner must stay responsive.
const helm = await findHelm();

function run(...args: string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(helm ?? 'helm', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

function rendered(folder: string, ...args: string[]): unknown[] {
  const { status, output } = run('template', 'demo', folder, kubeVersion, ...args);
  expect(status, output).toBe(0);
  return parseAllDocuments(output)
    .map((document) => document.toJS())
    .filter((document) => document !== null);
}

const sidecar = {
  name: 'etcd-bulkhead',
  restartPolicy: 'Always',
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 65_532,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
  startupProbe: {
    httpGet: { path: '/startupz', port: 'bulkhead-admin' },
    periodSeconds: 1,
    failureThreshold: 90,
  },
  livenessProbe: { httpGet: { path: '/livez', port: 'bulkhead-admin' } },
  env: expect.arrayContaining([
    { name: 'NODE_OPTIONS', value: '--max-old-space-size=96 --max-semi-space-size=8' },
  ]),
  terminationMessagePolicy: 'FallbackToLogsOnError',
};

describe.skipIf(helm === null)('the chart rendered by Helm', () => {
  test.each(['values.yaml', 'ci/example-values.yaml', 'ci/everything-values.yaml'])(
    'passes the strict lint with %s',
    (values) => {
      const { status, output } = run(
        'lint',
        '--strict',
        chart,
        kubeVersion,
        '-f',
        join(chart, values),
      );
      expect(status, output).toBe(0);
    },
  );

  test('renders nothing by default', () => {
    expect(rendered(chart)).toEqual([]);
  });

  test('makes the sidecar the first init container of the example', () => {
    const [deployment, ...others] = rendered(chart, '--set', 'example.enabled=true');
    expect(others).toEqual([]);
    expect(deployment).toMatchObject({
      kind: 'Deployment',
      spec: {
        template: { spec: { automountServiceAccountToken: false, initContainers: [sidecar] } },
      },
    });
    expect(deployment).not.toHaveProperty('spec.template.spec.volumes');
    expect(deployment).not.toHaveProperty('spec.template.spec.initContainers.0.readinessProbe');
  });

  test('mounts the files that the flags name', () => {
    const everything = join(chart, 'ci/everything-values.yaml');
    const [configMap, pod] = rendered(chart, '-f', everything);
    expect(configMap).toMatchObject({
      kind: 'ConfigMap',
      metadata: { name: 'demo-etcd-bulkhead' },
      data: { 'config.yaml': 'breaker-open-max: 10s\nhold: 3s\n' },
    });
    expect(pod).toMatchObject({
      kind: 'Pod',
      metadata: {
        annotations: { 'etcd-bulkhead/config-checksum': expect.stringMatching(/^[0-9a-f]{64}$/) },
      },
      spec: {
        initContainers: [
          {
            ...sidecar,
            args: expect.arrayContaining([
              '--config=/etc/etcd-bulkhead/config/config.yaml',
              '--cacert=/etc/etcd-bulkhead/etcd-tls/ca.crt',
              '--key=/etc/etcd-bulkhead/etcd-tls/tls.key',
              '--cert-file=/etc/etcd-bulkhead/client-tls/tls.crt',
              '--trusted-ca-file=/etc/etcd-bulkhead/client-tls/ca.crt',
            ]),
            volumeMounts: [
              { name: 'etcd-bulkhead-config', mountPath: '/etc/etcd-bulkhead/config' },
              { name: 'etcd-bulkhead-etcd-tls', mountPath: '/etc/etcd-bulkhead/etcd-tls' },
              { name: 'etcd-bulkhead-client-tls', mountPath: '/etc/etcd-bulkhead/client-tls' },
              { name: 'sockets' },
            ],
            readinessProbe: { httpGet: { path: '/readyz' } },
          },
        ],
        volumes: [
          { configMap: { name: 'demo-etcd-bulkhead' } },
          { secret: { secretName: 'etcd-client' } },
          { secret: { secretName: 'etcd-bulkhead-listener' } },
          { name: 'sockets' },
        ],
      },
    });
  });

  test.each([
    ['a misspelt value', 'nmespace=game-1/'],
    ['a misspelt nested value', 'etcd.tls.secret=x'],
    ['no namespace', 'namespace='],
    ['an unknown log level', 'log.level=loud'],
  ])('rejects %s', (_, assignment) => {
    const { status, output } = run('template', 'demo', chart, kubeVersion, '--set', assignment);
    expect(status).not.toBe(0);
    expect(output).toContain("don't meet the specifications of the schema");
  });

  test('rejects a Kubernetes version without native sidecars', () => {
    const { status, output } = run('template', 'demo', chart, '--kube-version=1.28.0');
    expect(status).not.toBe(0);
    expect(output).toContain('kubeVersion');
  });

  test('can be a dependency of a game server chart, twice with two aliases', () => {
    const dependency = (alias: string) =>
      `  - { name: etcd-bulkhead, version: 0.1.0, alias: ${alias}, repository: "file://${chart}" }\n`;
    const container = (alias: string) =>
      `    {{- include "etcd-bulkhead.container" (index .Subcharts "${alias}") | nindent 4 }}\n`;
    using directory = new TemporaryDirectory('chart');
    const parent = directory.path;
    mkdirSync(join(parent, 'templates'));
    writeFileSync(
      join(parent, 'Chart.yaml'),
      `apiVersion: v2\nname: game\nversion: 1.0.0\ndependencies:\n${dependency('lobby')}${dependency('match')}`,
    );
    writeFileSync(
      join(parent, 'values.yaml'),
      'lobby: { namespace: lobby/, config: { hold: 1s } }\nmatch: { namespace: match/, config: { hold: 2s } }\n',
    );
    writeFileSync(
      join(parent, 'templates/pod.yaml'),
      `kind: Pod\nspec:\n  initContainers:\n${container('lobby')}${container('match')}`,
    );
    const built = run('dependency', 'build', parent);
    expect(built.status, built.output).toBe(0);
    const documents = rendered(parent);
    expect(documents).toContainEqual({
      kind: 'Pod',
      spec: {
        initContainers: [
          expect.objectContaining({ args: expect.arrayContaining(['--namespace=lobby/']) }),
          expect.objectContaining({ args: expect.arrayContaining(['--namespace=match/']) }),
        ],
      },
    });
    for (const name of ['demo-lobby', 'demo-match']) {
      expect(documents).toContainEqual(
        expect.objectContaining({ metadata: expect.objectContaining({ name }) }),
      );
    }
  });
});
