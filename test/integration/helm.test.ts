/** Renders the chart with Helm and checks the resulting Kubernetes objects. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chart, helm, kubeVersion, rendered, runHelm as run } from '../support/helm.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';

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
  test.each(['values.yaml', ...readdirSync(join(chart, 'ci')).map((name) => `ci/${name}`)])(
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
              { name: 'etcd-bulkhead-client-tls', mountPath: '/etc/etcd-bulkhead/client-tls' },
              { name: 'etcd-bulkhead-etcd-tls', mountPath: '/etc/etcd-bulkhead/etcd-tls' },
              { name: 'sockets' },
            ],
            readinessProbe: { httpGet: { path: '/readyz' } },
          },
        ],
        volumes: [
          { configMap: { name: 'demo-etcd-bulkhead' } },
          { secret: { secretName: 'etcd-bulkhead-listener' } },
          { secret: { secretName: 'etcd-client' } },
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
    ['a misspelt value of the gateway', 'gateway.replica=3'],
    ['a spread that Kubernetes does not know', 'gateway.spread.hosts=Sometimes'],
    ['an alert that is not one of the proxy', 'prometheusRule.disabled[0]=Watchdog'],
  ])('rejects %s', (_, assignment) => {
    const { status, output } = run('template', 'demo', chart, kubeVersion, '--set', assignment);
    expect(status).not.toBe(0);
    expect(output).toContain("don't meet the specifications of the schema");
  });

  test('makes a plain container of the sidecar for a Job, which can end it', () => {
    const objects = rendered(chart, '-f', join(chart, 'ci/legacy-values.yaml'));
    const pod = objects.find((each) => (each as { kind: string }).kind === 'Pod');
    expect(pod).not.toHaveProperty('spec.initContainers');
    expect(pod).toMatchObject({
      spec: {
        containers: [
          {
            name: 'etcd-bulkhead',
            args: expect.arrayContaining(['--admin-shutdown']),
            lifecycle: {
              postStart: {
                exec: {
                  command: [
                    ...['/nodejs/bin/node', '/app/dist/main.js', 'wait'],
                    ...['--admin-addr=0.0.0.0:2381', '--timeout=90s'],
                  ],
                },
              },
            },
          },
          { name: 'game-server' },
        ],
      },
    });
    expect(pod).not.toHaveProperty('spec.containers.0.restartPolicy');
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

  /** One object of a kind, by the end of its name. */
  function gatewayObject(objects: readonly unknown[], kind: string, end = 'gateway'): unknown {
    const found = objects.filter(
      (each) =>
        (each as { kind: string }).kind === kind &&
        (each as { metadata: { name: string } }).metadata.name.endsWith(end),
    );
    expect(found, kind).toHaveLength(1);
    return found[0];
  }

  const selector = {
    'app.kubernetes.io/name': 'etcd-bulkhead',
    'app.kubernetes.io/instance': 'demo',
    'app.kubernetes.io/component': 'gateway',
  };

  test('runs a hardened gateway that drains before it ends', () => {
    const objects = rendered(chart, '-f', join(chart, 'ci/gateway-values.yaml'));
    const deployment = gatewayObject(objects, 'Deployment');
    expect(deployment).toMatchObject({
      spec: {
        selector: { matchLabels: selector },
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          metadata: {
            labels: selector,
            annotations: {
              'etcd-bulkhead/config-checksum': expect.stringMatching(/^[0-9a-f]{64}$/),
            },
          },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            terminationGracePeriodSeconds: 60,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
            topologySpreadConstraints: [
              { topologyKey: 'kubernetes.io/hostname' },
              { topologyKey: 'topology.kubernetes.io/zone' },
            ],
            containers: [
              {
                securityContext: sidecar.securityContext,
                startupProbe: { httpGet: { path: '/startupz' } },
                livenessProbe: { httpGet: { path: '/livez' } },
                readinessProbe: { httpGet: { path: '/readyz' } },
                resources: { limits: { memory: '1Gi' } },
                args: expect.arrayContaining([
                  ...['--min-drain=10s', '--drain-window=20s', '--max-drain=50s'],
                  '--users-file=/etc/etcd-bulkhead/users/users',
                  '--token-key-file=/etc/etcd-bulkhead/token-keys/token-keys',
                  '--lease-secret-file=/etc/etcd-bulkhead/lease-secret/lease-secret',
                  ...[
                    '--user=bulkhead',
                    '--password-file=/etc/etcd-bulkhead/etcd-password/password',
                  ],
                ]),
              },
            ],
          },
        },
      },
    });
    // The autoscaler sets it.
    expect(deployment).not.toHaveProperty('spec.replicas');
    // The tenants have namespaces and listeners of their own.
    expect(JSON.stringify(deployment)).not.toMatch(/--namespace=|--listen-addr=/);
    expect(gatewayObject(objects, 'PodDisruptionBudget')).toMatchObject({
      spec: { maxUnavailable: 1, selector: { matchLabels: selector } },
    });
    expect(gatewayObject(objects, 'HorizontalPodAutoscaler')).toMatchObject({
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'demo-etcd-bulkhead-gateway' } },
    });
    expect(gatewayObject(objects, 'NetworkPolicy')).toMatchObject({
      spec: { podSelector: { matchLabels: selector }, policyTypes: ['Ingress', 'Egress'] },
    });
    for (const end of ['gateway', 'gateway-pods']) {
      expect(gatewayObject(objects, 'Service', end)).toMatchObject({
        spec: { selector, ports: [{ name: 'etcd', port: 2379, targetPort: 'etcd' }] },
      });
    }
    expect(gatewayObject(objects, 'Service', 'gateway-pods')).toMatchObject({
      spec: { clusterIP: 'None' },
    });
  });

  test('has a test that talks to the Service, and starts only with `helm test`', () => {
    const objects = rendered(chart, '-f', join(chart, 'ci/gateway-values.yaml'));
    expect(gatewayObject(objects, 'Pod', 'gateway-test')).toMatchObject({
      metadata: { annotations: { 'helm.sh/hook': 'test' } },
      spec: {
        containers: [
          {
            args: [
              'smoke-test',
              '--endpoints=https://demo-etcd-bulkhead-gateway.default:2379',
              '--cacert=/etc/etcd-bulkhead/test-tls/ca.crt',
              '--server-name=etcd.example',
              '--user=lobby',
              '--password-file=/etc/etcd-bulkhead/test-password/password',
            ],
          },
        ],
      },
    });
    const plain = rendered(chart, '--set', 'gateway.enabled=true');
    expect(gatewayObject(plain, 'Pod', 'gateway-test')).toMatchObject({
      spec: {
        containers: [
          { args: ['smoke-test', '--endpoints=http://demo-etcd-bulkhead-gateway.default:2379'] },
        ],
      },
    });
  });

  test('gives the gateway the namespace of the chart and all interfaces, unless it is configured', () => {
    const objects = rendered(chart, '--set', 'gateway.enabled=true');
    expect(gatewayObject(objects, 'Deployment')).toMatchObject({
      spec: {
        replicas: 2,
        template: {
          spec: {
            containers: [
              {
                args: expect.arrayContaining(['--namespace=game-1/', '--listen-addr=0.0.0.0:2379']),
              },
            ],
          },
        },
      },
    });
  });

  test('selects pods for metrics by the gateway, by the sidecar, or as configured', () => {
    const selectorOf = (...args: string[]) => {
      const monitor = rendered(chart, '--set', 'podMonitor.enabled=true', ...args).find(
        (each) => (each as { kind: string }).kind === 'PodMonitor',
      );
      return (monitor as { spec: { selector: { matchLabels: unknown } } }).spec.selector
        .matchLabels;
    };
    expect(selectorOf()).toEqual({ 'etcd-bulkhead/sidecar': 'true' });
    expect(selectorOf('--set', 'gateway.enabled=true')).toEqual(selector);
    expect(selectorOf('--set', 'podMonitor.matchLabels.team=a')).toEqual({ team: 'a' });
    // The example has the label.
    const [pod] = rendered(chart, '--set', 'example.enabled=true', '--set', 'example.kind=Pod');
    expect(pod).toMatchObject({ metadata: { labels: { 'etcd-bulkhead/sidecar': 'true' } } });
  });

  test('requires the user of a password', () => {
    for (const set of [
      'etcd.password.secretName=a',
      'gateway.enabled=true,smokeTest.password.secretName=a',
    ]) {
      const { status, output } = run(
        ...['template', 'demo', chart, kubeVersion],
        ...['--set', 'example.enabled=true', '--set', set],
      );
      expect(status).not.toBe(0);
      expect(output).toMatch(/\w+\.user is required with/);
    }
  });
});
