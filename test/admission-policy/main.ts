/**
 * `npm run test:admission-policy`: evaluates the example of a MutatingAdmissionPolicy with the API server's own code, for pods
 * with and without init containers. It builds a Go program (main.go), which takes a minute or two, so it is not part of
 * `npm test`; that validates the example against the schemas.
 */

import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../support/cached-programs.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const policy = join(folder, '../../docs/examples/kubernetes/inject-mutating-admission-policy.yaml');
const program = join(cacheFolder, 'admission-policy', 'evaluate');
/** Exit code of the program if a match condition is not true. */
const doesNotMatch = 3;

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly restartPolicy?: string;
}

interface Pod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly initContainers: readonly Container[];
    readonly containers: readonly Container[];
  };
}

/** Returns the pod that the policy makes, or null if it does not match. */
function admit(labels: object, initContainers: readonly object[] | null): Pod | null {
  const pod = {
    metadata: { name: 'a', namespace: 'games', labels },
    spec: {
      containers: [{ name: 'game-server', image: 'a' }],
      ...(initContainers !== null && { initContainers }),
    },
  };
  const { status, stdout, stderr } = spawnSync(program, [policy], {
    ...{ input: JSON.stringify(pod), encoding: 'utf8' },
  });
  if (status === doesNotMatch) return null;
  strictEqual(status, 0, stderr);
  return JSON.parse(stdout) as Pod;
}

execFileSync('go', ['build', '-o', program, '.'], { cwd: folder, stdio: 'inherit' });

for (const initContainers of [null, [{ name: 'first', image: 'a' }]]) {
  const pod = admit({ app: 'lobby', 'etcd-bulkhead/inject': 'enabled' }, initContainers);
  const names = pod?.spec.initContainers.map(({ name }) => name);
  deepStrictEqual(names, ['etcd-bulkhead', ...(initContainers ?? []).map(({ name }) => name)]);
  const [sidecar] = pod?.spec.initContainers ?? [];
  strictEqual(sidecar?.restartPolicy, 'Always');
  strictEqual(sidecar.args?.includes('--namespace=games/lobby/'), true);
  strictEqual(pod?.metadata.labels['etcd-bulkhead/sidecar'], 'true');
  strictEqual(pod.spec.containers.length, 1);
}
// A second evaluation, or a pod that has the sidecar already.
strictEqual(admit({ app: 'lobby' }, [{ name: 'etcd-bulkhead', image: 'a' }]), null);
// Without the label there is no namespace.
strictEqual(admit({ 'etcd-bulkhead/inject': 'enabled' }, null), null);
process.stdout.write(
  'the policy injects the sidecar as the first init container: 4 pods, 0 failed\n',
);
