/**
 * Every command line that the chart renders, and those of the plain manifests, is one that the program accepts: known flags with
 * valid values, a valid configuration file, drain times that fit. The folders of Secrets have real files here.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { serverSettings } from '../../src/cli/configure.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { hashPassword } from '../../src/identity/password.ts';
import { checkTenants } from '../../src/tenant/directory.ts';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';
import { chart, helm, rendered } from '../support/helm.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';

const examples = fileURLToPath(new URL('../../docs/examples/kubernetes', import.meta.url));

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
}

type Node = Readonly<Record<string, unknown>>;

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null;
}

/** Every container of the proxy, wherever a manifest has one. */
function containersIn(value: unknown): readonly Container[] {
  if (!isNode(value)) return [];
  const inside = Object.values(value).flatMap(containersIn);
  const { name, args } = value;
  return name === 'etcd-bulkhead' && Array.isArray(args)
    ? [value as unknown as Container, ...inside]
    : inside;
}

/** The text of the configuration file in a ConfigMap. */
function configurationIn(manifests: readonly unknown[]): string | null {
  for (const manifest of manifests) {
    const { kind, data } = manifest as { kind: string; data?: Readonly<Record<string, string>> };
    const text = kind === 'ConfigMap' ? data?.['config.yaml'] : undefined;
    if (text !== undefined) return text;
  }
  return null;
}

/** What the Secrets contain that the values and manifests name. */
const secrets = new TemporaryDirectory('secrets');
const authority = new CertificateAuthority();

function secret(folder: string, files: Readonly<Record<string, string | Buffer>>): void {
  mkdirSync(join(secrets.path, folder));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(secrets.path, folder, name), content);
  }
}

beforeAll(async () => {
  const users = `lobby:${await hashPassword(Buffer.from('pass'))}\n`;
  const key = 'k'.repeat(44);
  const tls = ({ certificateFile, keyFile }: KeyPair) => ({
    'ca.crt': readFileSync(authority.certificateFile),
    'tls.crt': readFileSync(certificateFile),
    'tls.key': readFileSync(keyFile),
  });
  // etcd takes a common name as the user of a call.
  secret('etcd-tls', tls(authority.issue({ name: '/O=games' })));
  const gateway = authority.issue({ name: '/CN=gateway' });
  const revoked = readFileSync(authority.revoke());
  secret('client-tls', { ...tls(gateway), 'ca.crl': revoked });
  secret('etcd-password', { password: 'pass' });
  secret('users', { users });
  secret('token-keys', { 'token-keys': key });
  secret('lease-secret', { 'lease-secret': key });
  secret('secrets', { users, 'token-keys': key, 'lease-secret': key });
});

afterAll(() => {
  authority[Symbol.dispose]();
  secrets[Symbol.dispose]();
});

/** What the program would report. */
async function problems(manifests: readonly unknown[]): Promise<readonly string[]> {
  const here = (text: string) => text.replaceAll('/etc/etcd-bulkhead', secrets.path);
  const text = configurationIn(manifests);
  const found: string[] = [];
  for (const { args = [] } of manifests.flatMap(containersIn)) {
    // As Kubernetes replaces it.
    const [command, ...flags] = args.map((arg) => here(arg.replace('$(POD_NAME)', 'match-1')));
    expect(command).toBe('run');
    const given = flags.filter((flag) => !flag.startsWith('--config='));
    expect(given.length < flags.length).toBe(text !== null);
    const parsed = parseFlags(given, { settings: serverSettings, others: {} });
    const loaded = await loadConfig({
      ...{ flags: parsed.settings, environment: {}, checkTenants },
      ...(text !== null && { file: { name: 'config.yaml', text: here(text) } }),
    });
    found.push(...[...parsed.problems, ...loaded.problems].map(formatProblem));
  }
  return found;
}

describe
  .skipIf(helm === null)
  .each(['values.yaml', ...readdirSync(join(chart, 'ci')).map((name) => `ci/${name}`)])(
  'the chart with %s',
  (values) => {
    test('renders command lines that the program accepts', async () => {
      const manifests = rendered(chart, '-f', join(chart, values));
      expect(await problems(manifests)).toEqual([]);
    });
  },
);

test.each(['sidecar.yaml', 'gateway.yaml', 'job.yaml', 'agones-fleet.yaml'])(
  'the example %s has a command line that the program accepts',
  async (name) => {
    const documents = parseAllDocuments(readFileSync(join(examples, name), 'utf8'));
    const manifests = documents.map((document) => document.toJS() as unknown);
    expect(manifests.flatMap(containersIn)).toHaveLength(1);
    expect(await problems(manifests)).toEqual([]);
  },
);

test.skipIf(helm === null)('a drain that does not fit is found here', async () => {
  const manifests = rendered(chart, '--set', 'gateway.enabled=true,gateway.drain.minSeconds=60');
  expect(await problems(manifests)).toEqual([expect.stringContaining('must be at least 80s')]);
});
