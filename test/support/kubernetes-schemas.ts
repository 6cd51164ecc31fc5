/**
 * The schemas that manifests are validated with: those of Kubernetes, by version, from the Python package kubernetes-validate,
 * and those of custom resources from the Go modules of their operators. Both are downloaded once, into the user's cache.
 * Fields that a schema does not have are rejected.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { cacheFolder, filled, goModule, output, pipDownload } from './cached-programs.ts';

/** The oldest and the newest are those of the chart's `kubeVersion` and of the documentation. */
export const kubernetesVersions = ['1.29', '1.30', '1.31', '1.32', '1.33', '1.34', '1.35'] as const;
export type KubernetesVersion = (typeof kubernetesVersions)[number];

const python = 'kubernetes-validate==1.37.0';
const folder = join(cacheFolder, 'kubernetes-schemas-1.37.0');

/** Where the definitions of custom resources are. */
const customResources = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['podmonitors', 'prometheusrules'].map(
      (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
    ),
  },
  {
    module: 'github.com/kyverno/kyverno@v1.15.2',
    files: ['config/crds/kyverno/kyverno.io_clusterpolicies.yaml'],
  },
] as const;

type Json = { readonly [name: string]: unknown };

/** An object of the Kubernetes API, before it is validated. */
export interface Manifest extends Json {
  readonly apiVersion: string;
  readonly kind: string;
}

function fileOf(version: KubernetesVersion): string {
  return join(folder, `${version}.json`);
}

/** Null if there is neither a cache nor pip. */
async function kubernetesFolder(): Promise<string | null> {
  const isThere = await filled(folder, async (empty) => {
    await pipDownload(python, empty);
    await output('python3', ['-c', extract, empty, ...kubernetesVersions]);
  });
  return isThere && kubernetesVersions.every((version) => existsSync(fileOf(version)))
    ? folder
    : null;
}

/** Writes the definitions of each version, and removes the package. */
const extract = `
import glob, os, sys, zipfile
folder, versions = sys.argv[1], sys.argv[2:]
[package] = glob.glob(os.path.join(folder, '*.whl'))
with zipfile.ZipFile(package) as archive:
    for version in versions:
        name = f'kubernetes_validate/kubernetes-json-schema/v{version}.0-local/_definitions.json'
        with open(os.path.join(folder, version + '.json'), 'wb') as file:
            file.write(archive.read(name))
os.remove(package)
`;

const available = await kubernetesFolder();

/** False on a machine without a cache, pip and Python. Tests are skipped then. */
export const hasKubernetesSchemas: boolean = available !== null;

export class ManifestValidator {
  readonly #ajv: Ajv;
  readonly #definitions: ReadonlyMap<string, string>;
  readonly #custom: ReadonlyMap<string, Json>;
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(version: KubernetesVersion, custom: ReadonlyMap<string, Json>) {
    this.#custom = custom;
    // The schemas have formats and keywords of Kubernetes, which are not checked.
    this.#ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true, logger: false });
    const { $defs } = JSON.parse(readFileSync(fileOf(version), 'utf8')) as { $defs: Json };
    this.#ajv.addSchema({ $id: 'https://kubernetes/api/_definitions.json', $defs: closed($defs) });
    this.#definitions = new Map(
      Object.keys($defs).flatMap((name) => kindsOf($defs[name]).map((kind) => [kind, name])),
    );
  }

  /** Whether this version has the kind. */
  knows({ apiVersion, kind }: Manifest): boolean {
    const name = `${apiVersion}/${kind}`;
    return this.#definitions.has(name) || this.#custom.has(name);
  }

  /** Returns what is wrong with it, one line each. */
  problems(manifest: Manifest): readonly string[] {
    const name = `${manifest.apiVersion}/${manifest.kind}`;
    if (!this.knows(manifest)) return [`unknown kind ${name}`];
    return this.#check(name, manifest);
  }

  /** The same for a part of an object, by the name of its type, for example `PodTemplateSpec`. */
  problemsOfPart(type: string, part: unknown): readonly string[] {
    return this.#check(`part ${type}`, part, `io.k8s.api.core.v1.${type}`);
  }

  #check(
    name: string,
    value: unknown,
    definition = this.#definitions.get(name),
  ): readonly string[] {
    let validate = this.#compiled.get(name);
    if (validate === undefined) {
      const schema =
        definition === undefined
          ? this.#custom.get(name)
          : { $ref: `https://kubernetes/api/_definitions.json#/$defs/${definition}` };
      validate = this.#ajv.compile(schema ?? false);
      this.#compiled.set(name, validate);
    }
    validate(value);
    return (validate.errors ?? []).map(describe);
  }
}

function describe({ instancePath, message = '', params }: ErrorObject): string {
  return `${instancePath} ${message} ${JSON.stringify(params)}`;
}

/** `apps/v1/Deployment` of each kind that a definition describes. */
function kindsOf(definition: unknown): readonly string[] {
  const kinds = (definition as Json)['x-kubernetes-group-version-kind'];
  return ((kinds ?? []) as readonly Record<'group' | 'version' | 'kind', string>[]).map(
    ({ group, version, kind }) => `${group === '' ? '' : `${group}/`}${version}/${kind}`,
  );
}

/** The same schema, in which an object has no other fields than those that are described. */
function closed<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(closed) as T;
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema)) copy[name] = closed(value);
  const node = schema as Json;
  // A flag in a group is not JavaScript. One pattern of the Prometheus operator has it.
  if (typeof node['pattern'] === 'string' && node['pattern'].includes('(?i)')) {
    Reflect.deleteProperty(copy, 'pattern');
  }
  if (node['x-kubernetes-int-or-string'] === true) copy['type'] = ['integer', 'string'];
  const isOpen =
    node['x-kubernetes-preserve-unknown-fields'] === true || 'additionalProperties' in node;
  if (typeof node['properties'] === 'object' && isSchema(node) && !isOpen) {
    copy['additionalProperties'] = false;
  }
  return copy as T;
}

/** Not a map of properties that happens to have one that is called `properties`. */
function isSchema(node: Json): boolean {
  return (
    node['type'] === undefined || typeof node['type'] === 'string' || Array.isArray(node['type'])
  );
}

interface CustomResourceDefinition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: Json };
    }[];
  };
}

/** The schemas by `group/version/Kind`. Empty without Go. */
export async function customSchemas(): Promise<ReadonlyMap<string, Json>> {
  const schemas = new Map<string, Json>();
  for (const { module, files } of customResources) {
    const root = await goModule(module);
    if (root === null) continue;
    for (const file of files) {
      const { spec } = parse(readFileSync(join(root, file), 'utf8')) as CustomResourceDefinition;
      for (const { name, schema } of spec.versions) {
        const { properties, ...rest } = schema.openAPIV3Schema;
        // The API server fills it in and validates it for every kind.
        const described = { ...(properties as Json), metadata: { type: 'object' } };
        const full = closed({ ...rest, properties: described });
        schemas.set(`${spec.group}/${name}/${spec.names.kind}`, full);
      }
    }
  }
  return schemas;
}
