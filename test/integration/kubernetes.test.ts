/**
 * Everything that is meant for a Kubernetes API server is validated against the schemas of each supported version: what the
 * chart renders with each file of values, and the plain manifests.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { chart, helm, rendered } from '../support/helm.ts';
import {
  customSchemas,
  hasKubernetesSchemas,
  type KubernetesVersion,
  kubernetesVersions,
  type Manifest,
  ManifestValidator,
} from '../support/kubernetes-schemas.ts';

const examples = fileURLToPath(new URL('../../docs/examples/kubernetes', import.meta.url));

/** The first version that has it, for examples that are not for all. */
const since: Readonly<Record<string, KubernetesVersion>> = {
  'inject-mutating-admission-policy.yaml': '1.34',
};

/** Not manifests. */
const others = new Set(['envoy.yaml']);

/** Needs a schema from a Go module. */
function isCustom({ apiVersion }: Manifest): boolean {
  return /^(?:monitoring\.coreos\.com|kyverno\.io)\//.test(apiVersion);
}

function manifestsIn(name: string): readonly Manifest[] {
  return parseAllDocuments(readFileSync(join(examples, name), 'utf8')).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Manifest;
  });
}

const exampleFiles = readdirSync(examples).filter(
  (name) => name.endsWith('.yaml') && !others.has(name),
);
const valuesFiles = ['values.yaml', ...readdirSync(join(chart, 'ci')).map((name) => `ci/${name}`)];

describe.skipIf(!hasKubernetesSchemas)('for Kubernetes', () => {
  let custom: Awaited<ReturnType<typeof customSchemas>>;
  const validators = new Map<KubernetesVersion, ManifestValidator>();
  const validatorOf = (version: KubernetesVersion): ManifestValidator => {
    const validator = validators.get(version) ?? new ManifestValidator(version, custom);
    validators.set(version, validator);
    return validator;
  };

  beforeAll(async () => {
    custom = await customSchemas();
  });

  /** The problems of each manifest, with its name. */
  function problems(version: KubernetesVersion, manifests: readonly Manifest[]): readonly string[] {
    const validator = validatorOf(version);
    return manifests.flatMap((manifest) => {
      if (isCustom(manifest) && custom.size === 0) return [];
      if (manifest.kind === 'Fleet') return fleetProblems(validator, manifest);
      return validator.problems(manifest).map((each) => `${manifest.kind}: ${each}`);
    });
  }

  describe.skipIf(helm === null).each(valuesFiles)('the chart with %s', (values) => {
    let manifests: readonly Manifest[] = [];

    beforeAll(() => {
      // The same for every version: the templates do not ask which one it is.
      manifests = rendered(chart, '-f', join(chart, values)) as Manifest[];
    });

    test.each(kubernetesVersions)('is valid in %s', (version) => {
      expect(manifests.length).toBeGreaterThanOrEqual(values === 'values.yaml' ? 0 : 1);
      expect(problems(version, manifests)).toEqual([]);
    });
  });

  describe.each(exampleFiles)('the example %s', (name) => {
    const first = since[name] ?? kubernetesVersions[0];
    const supported = kubernetesVersions.slice(kubernetesVersions.indexOf(first));

    test.each(supported)('is valid in %s', (version) => {
      const manifests = manifestsIn(name);
      expect(manifests.length).toBeGreaterThan(0);
      expect(problems(version, manifests)).toEqual([]);
    });

    test('names the first version that has it', () => {
      const before = kubernetesVersions.slice(0, kubernetesVersions.indexOf(first));
      const missing = manifestsIn(name).filter((each) =>
        before.some((version) => !validatorOf(version).knows(each)),
      );
      expect(missing.length > 0).toBe(before.length > 0);
    });
  });

  // The validation itself: each of these mistakes is one that an API server would reject.
  test.each<[string, (pod: Mutable) => void]>([
    [
      'a misspelt field',
      (pod) => Object.assign(pod.spec.containers[0] ?? {}, { imagePulPolicy: '' }),
    ],
    ['a number for a text', (pod) => Object.assign(pod.spec.containers[0] ?? {}, { name: 1 })],
    ['a missing name', (pod) => Reflect.deleteProperty(pod.spec.containers[0] ?? {}, 'name')],
    [
      'a misspelt field of a probe',
      (pod) => {
        Object.assign(pod.spec.initContainers[0]?.['startupProbe'] ?? {}, { periodSecond: 1 });
      },
    ],
    [
      'a text for a port',
      (pod) => {
        Object.assign(pod.spec.initContainers[0] ?? {}, { ports: [{ containerPort: '1' }] });
      },
    ],
  ])('finds %s', (_, change) => {
    const [pod] = structuredClone(manifestsIn('sidecar.yaml'));
    change(pod as unknown as Mutable);
    for (const version of kubernetesVersions) {
      expect(problems(version, [pod as Manifest])).not.toEqual([]);
    }
  });

  test('finds misspelt fields of custom resources', () => {
    if (custom.size === 0) return;
    const [policy] = structuredClone(manifestsIn('inject-kyverno.yaml')) as unknown as [
      { spec: { rules: Record<string, unknown>[] } },
    ];
    Object.assign(policy.spec.rules[0] ?? {}, { mutates: {} });
    expect(problems('1.31', [policy as unknown as Manifest])).not.toEqual([]);
  });
});

interface Mutable {
  readonly spec: Record<'containers' | 'initContainers', Record<string, object>[]>;
}

interface Fleet {
  readonly spec: {
    readonly replicas: number;
    readonly template: {
      readonly spec: {
        readonly container: string;
        readonly ports: readonly Readonly<Record<string, unknown>>[];
        readonly template: {
          readonly spec: { readonly containers: readonly { readonly name: string }[] };
        };
      };
    };
  };
}

/** Agones publishes no module with its schemas, so only the template of the pod is validated, and what refers to it. */
function fleetProblems(validator: ManifestValidator, manifest: Manifest): readonly string[] {
  const { replicas, template } = (manifest as unknown as Fleet).spec;
  const { container, ports, template: pod } = template.spec;
  const found = [...validator.problemsOfPart('PodTemplateSpec', pod)];
  if (!pod.spec.containers.some(({ name }) => name === container)) found.push('container: unknown');
  if (!Number.isInteger(replicas)) found.push('replicas: not a number');
  const policies = ['Dynamic', 'Static', 'Passthrough', 'None'];
  for (const { portPolicy, containerPort, protocol } of ports) {
    if (!policies.includes(String(portPolicy))) found.push('portPolicy: unknown');
    if (!Number.isInteger(containerPort)) found.push('containerPort: not a number');
    if (!['UDP', 'TCP', 'TCPUDP'].includes(String(protocol))) found.push('protocol: unknown');
  }
  return found;
}
