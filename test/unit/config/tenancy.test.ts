/** Every key of tenants and listeners in the file, with valid and invalid values. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parsePasswordHash } from '../../../src/config/sections/users.ts';
import { ownerMethods, unprefixedMethods } from '../../../src/etcd/methods.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { Issuer } from '../../support/jwt.ts';
import { loaded, loadedConfig, problemsOf } from '../../support/loaded-config.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('tenancy');
const authority = new CertificateAuthority();
afterAll(() => {
  authority[Symbol.dispose]();
  directory[Symbol.dispose]();
});

let written = 0;
function fileWith(text: string): string {
  written += 1;
  const path = join(directory.path, String(written));
  writeFileSync(path, text);
  return path;
}

const one = 'tenants: [{ name: a, namespace: a/ }]';
const listener = 'listeners: [{ address: ":1", tenant: a }]';

describe('lease IDs', () => {
  const cluster = 'lease-ids: cluster';
  const two = 'tenants: [{ name: a, namespace: a/ }, { name: b, namespace: b/ }]';

  test('are those of each namespace, or with one tenant those of the cluster', async () => {
    expect((await loadedConfig(one, listener)).leaseIds).toBe('namespaced');
    expect((await loadedConfig(cluster, one, listener)).leaseIds).toBe('cluster');
    expect((await loadedConfig(cluster, 'namespace: a/')).leaseIds).toBe('cluster');
  });

  test('are never those of the cluster with more than one tenant', async () => {
    expect(await problemsOf(cluster, two, listener)).toEqual([
      `c.yaml:2: "lease-ids" must be namespaced with more than one tenant, and there are 2: with the IDs of the cluster, tenants can name each other's leases`,
    ]);
  });

  test('of the cluster have no secret', async () => {
    const secret = `lease-secret-file: ${fileWith('0123456789abcdef')}`;
    expect(await problemsOf(cluster, secret, 'namespace: a/')).toEqual([
      'c.yaml:2: "lease-ids" must be namespaced with --lease-secret-file: no other lease ID has a secret',
    ]);
  });
});

describe('a tenant', () => {
  test('has the user and the claim of its name as identities, unless it lists others', async () => {
    const { tenants } = await loadedConfig(
      'tenants:',
      '  - { name: a, namespace: a/ }',
      '  - { name: b, namespace: b/, identities: ["cn:B", "dns:B.Example", "user:c"] }',
      'listeners: [{ address: ":1", tenant: a }]',
    );
    expect(tenants.map(({ identities }) => identities)).toEqual([
      ['user:a', 'claim:a'],
      ['cn:B', 'dns:b.example', 'user:c'],
    ]);
  });

  test('may be read-only, alone or with all others', async () => {
    const readOnly = 'tenants: [{ name: a, namespace: a/, access: read-only }]';
    expect((await loadedConfig(readOnly, listener)).tenants[0]?.access).toBe('read-only');
    expect((await loadedConfig('read-only: true', one, listener)).tenants[0]?.access).toBe(
      'read-only',
    );
    expect((await loadedConfig('read-only: true')).tenants[0]?.access).toBe('read-only');
  });

  test.each([
    ['share-watches: true', ', share-watches: false', false],
    ['share-watches: true', '', true],
    ['share-watches: false', ', share-watches: true', true],
    ['share-watches: false', '', false],
  ])('has %s, unless it has a value of its own', async (all, own, isShared) => {
    const tenants = `tenants: [{ name: a, namespace: a/${own} }]`;
    const loaded = await loadedConfig(all, tenants, listener);
    expect(loaded.tenants[0]?.shareWatches).toBe(isShared);
    const [printed] = loaded.effective.flatMap(({ name, value }) =>
      name === 'tenants' ? (value as readonly object[]) : [],
    );
    expect(printed).toEqual({
      ...{ name: 'a', namespace: 'a/' },
      ...(own === '' ? {} : { 'share-watches': isShared }),
    });
  });

  test('may own the cluster, for all owner methods or for some', async () => {
    const owner = async (more: string) =>
      (await loadedConfig(`tenants: [{ name: a, namespace: a/, role: owner${more} }]`, listener))
        .tenants[0]?.owns;
    const inNamespace = [...ownerMethods].filter((name) => !unprefixedMethods.has(name));
    expect(await owner('')).toEqual(inNamespace);
    expect(await owner(', owner-methods: [Compact, Snapshot]')).toEqual([
      'etcdserverpb.KV/Compact',
      'etcdserverpb.Maintenance/Snapshot',
    ]);
    expect((await loadedConfig(one, listener)).tenants[0]?.owns).toEqual([]);
  });

  test('manages users only without a namespace, because roles name keys as etcd holds them', async () => {
    const owned = async (...lines: string[]) => (await loadedConfig(...lines)).tenants[0]?.owns;
    expect(await owned('owner-methods: all')).toEqual([...ownerMethods]);
    const allButMembers = await owned('owner-methods: all-but-members');
    expect(allButMembers).not.toContain('etcdserverpb.Cluster/MemberList');
    expect(allButMembers).toHaveLength(ownerMethods.size - 1);
    expect(await owned('owner-methods: [UserAdd]')).toEqual(['etcdserverpb.Auth/UserAdd']);
    expect(await owned('namespace: a/', 'owner-methods: all')).not.toContain(
      'etcdserverpb.Auth/UserAdd',
    );
    expect(await problemsOf('namespace: a/', 'owner-methods: [UserAdd]')).toEqual([
      'c.yaml:3: "owner-methods" contains "UserAdd", which requires an empty namespace',
    ]);
  });

  test('has all its problems reported, with their lines', async () => {
    expect(
      await problemsOf(
        'tenants:',
        '  - name: a',
        '    namespace: a/',
        '    access: readonly',
        '    role: owner',
        '    owner-methods: [Snapshott]',
        '  - name: b',
        '    namespace: b/',
        '    owner-methods: [Compact]',
        '    identities: ["usr:x", "user:", "user:a"]',
        'listeners: [{ address: ":1", tenant: a }]',
      ),
    ).toEqual([
      'c.yaml:5: "access" must be read-write or read-only, not "readonly"; did you mean "read-only"?',
      'c.yaml:7: "owner-methods" contains "Snapshott", which is not an owner method; did you mean "Snapshot"?',
      'c.yaml:10: "owner-methods" requires "role: owner"',
      'c.yaml:11: "identities" must have the form user:NAME, claim:VALUE, uri:URI, dns:NAME or cn:NAME, not "usr:x"; did you mean "user"?',
      expect.stringMatching(
        /^c\.yaml:11: "identities" must have the form user:NAME.*, not "user:"/,
      ),
      'c.yaml:11: the identity "user:a" already belongs to tenant "a"',
    ]);
  });
});

describe('a listener', () => {
  test('has several identity sources, and certificates of its own', async () => {
    const pair = authority.issue({ name: '/CN=proxy' });
    const { listeners } = await loadedConfig(
      one,
      `users-file: ${fileWith('')}`,
      'listeners:',
      '  - address: ":1"',
      '    identify: [user, certificate]',
      `    cert-file: ${pair.certificateFile}`,
      `    key-file: ${pair.keyFile}`,
      `    trusted-ca-file: ${authority.certificateFile}`,
      '  - { address: "unix:///a", tenant: a, pass-credentials: true }',
    );
    expect(listeners).toMatchObject([
      { tenant: null, identify: ['user', 'certificate'], passesCredentials: false },
      { tenant: 'a', identify: [], passesCredentials: true, tls: null },
    ]);
    expect(listeners[0]?.tls?.clientAuthorities).toEqual(authority.certificate);
  });

  test('requires the settings that its identity sources depend on', async () => {
    expect(
      await problemsOf(
        one,
        'listeners:',
        '  - { address: ":1", identify: [certificate] }',
        '  - { address: ":2", identify: user }',
        '  - { address: ":3", identify: [jwt], pass-credentials: true, tenant: a }',
        '  - { address: ":4", identify: [cert] }',
        '  - { address: ":5" }',
        '  - { address: ":6", tenant: a, key-file: nowhere }',
      ),
    ).toEqual([
      'c.yaml:4: "identify" by certificate requires "trusted-ca-file" here or at the top level',
      'c.yaml:5: "identify" by user requires "users-file"',
      'c.yaml:6: "identify" by jwt requires "jwks-file"',
      'c.yaml:6: "pass-credentials" cannot be combined with "identify" by user or jwt: the proxy does not forward those tokens',
      'c.yaml:7: "identify" must be user, jwt or certificate, not "cert"',
      'c.yaml:8: "tenant" is required unless "identify" is set',
      'c.yaml:9: "key-file" requires "cert-file"',
      expect.stringContaining('c.yaml:9: "key-file" cannot be read: ENOENT'),
    ]);
  });
});

describe('the users', () => {
  const scrypt = `$scrypt$ln=14,r=8,p=5$${'a'.repeat(22)}$${'b'.repeat(43)}`;
  const bcrypt = `$2y$05$${'c'.repeat(53)}`;

  test('are listed one per line, with hashes of two kinds', async () => {
    const file = fileWith(`# users\n\nred:${scrypt}\r\nblue:${bcrypt}\n`);
    const { users } = await loadedConfig(`users-file: ${file}`);
    expect([...users].map(([user, { kind }]) => [user, kind])).toEqual([
      ['red', 'scrypt'],
      ['blue', 'bcrypt'],
    ]);
  });

  test('are reported by line number if invalid, without quoting the line', async () => {
    const file = fileWith(`no colon\n:${bcrypt}\nred:secret\nblue:${bcrypt}\nblue:${bcrypt}`);
    const found = await problemsOf(`users-file: ${file}`);
    expect(found).toEqual([
      'c.yaml:2: "users-file" line 1: must have the form user:hash, with a user name of at most 256 bytes',
      'c.yaml:2: "users-file" line 2: must have the form user:hash, with a user name of at most 256 bytes',
      'c.yaml:2: "users-file" line 3: the hash must be $scrypt$ln=…,r=…,p=…$salt$hash or bcrypt with a cost of 4 to 14',
      'c.yaml:2: "users-file" line 5: user "blue" is listed twice',
    ]);
  });

  test.each(['ln=18,r=8,p=1', 'ln=14,r=8,p=32', 'ln=14,r=99,p=1', 'ln=0,r=8,p=1', 'ln=14,r=8,p=0'])(
    'are rejected if the cost of the hash is out of bounds: %s',
    (parameters) => {
      expect(parsePasswordHash(scrypt.replace('ln=14,r=8,p=5', parameters))).toMatch(
        'out of bounds',
      );
    },
  );
});

describe('bearer tokens', () => {
  const keys = (...jwks: unknown[]) => fileWith(JSON.stringify({ keys: jwks }));
  const { jwk } = new Issuer();

  test('require an issuer, an audience and asymmetric algorithms', async () => {
    const { bearer } = await loadedConfig(
      `jwks-file: ${keys(jwk)}`,
      'jwt-issuer: i',
      'jwt-audience: a',
    );
    expect(bearer).toMatchObject({
      ...{ issuer: 'i', audience: 'a', claim: 'sub', keys: [jwk] },
      algorithms: ['RS256', 'ES256', 'EdDSA'],
    });
    expect(
      await problemsOf(`jwks-file: ${keys(jwk)}`, 'jwt-algorithms: [none, HS256]', 'jwt-claim: ""'),
    ).toEqual([
      '--jwt-issuer: is required with --jwks-file, so that tokens of other issuers are rejected',
      '--jwt-audience: is required with --jwks-file, so that tokens for other services are rejected',
      'c.yaml:4: "jwt-claim" must not be empty',
      expect.stringMatching(/^c\.yaml:3: "jwt-algorithms" must be RS256, .* or EdDSA, not "none"$/),
      expect.stringMatching(
        /^c\.yaml:3: "jwt-algorithms" must be RS256, .* or EdDSA, not "HS256"$/,
      ),
    ]);
  });

  test('are verified only with public keys', async () => {
    const pins = ['jwt-issuer: i', 'jwt-audience: a'];
    const problemsWith = (file: string) => problemsOf(`jwks-file: ${file}`, ...pins);
    expect(await problemsWith(keys({ ...jwk, d: 'x' }, { kty: 'oct', k: 'x' }))).toEqual([
      'c.yaml:2: "jwks-file" key 0: must be a public key, not a private key',
      'c.yaml:2: "jwks-file" key 1: the type (kty) must be RSA, EC or OKP',
    ]);
    for (const text of ['[]', '{"keys": 1}', '{"keys": [1]}', 'x', 'null']) {
      expect(await problemsWith(fileWith(text)), text).toEqual([
        expect.stringContaining('must contain a JSON Web Key Set'),
      ]);
    }
    expect(await problemsWith(keys())).toEqual([
      'c.yaml:2: "jwks-file" must contain at least one key',
    ]);
    expect(await problemsOf(...pins)).toHaveLength(2);
  });
});

describe('URI patterns', () => {
  test('map every variable part to the tenant name', async () => {
    const text =
      'uri-pattern: ["spiffe://td/sa/{tenant}", "spiffe://td/ns/{ns}/sa/{sa}={ns}.{sa}"]';
    expect((await loadedConfig(text)).uriPatterns).toEqual([
      { uri: 'spiffe://td/sa/{tenant}', tenant: '{tenant}' },
      { uri: 'spiffe://td/ns/{ns}/sa/{sa}', tenant: '{ns}.{sa}' },
    ]);
  });

  test.each([
    'spiffe://td/ns/{namespace}/sa/{tenant}',
    'spiffe://td/ns/{a}/sa/{a}={a}.{a}',
    'spiffe://td/{a}/{b}={a}{b}',
    'spiffe://td/{a}/{b}={a}--{b}',
    'spiffe://{td}/sa/{tenant}',
    'spiffe://td/sa/x{tenant}',
    'spiffe://td/sa/tenant',
    'spiffe://td/.*/{tenant}',
  ])('that are ambiguous are rejected: %s', async (pattern) => {
    expect(await problemsOf(`uri-pattern: ["${pattern}"]`)).toHaveLength(1);
  });
});

describe('credentials for etcd', () => {
  test('are a user and the first line of a file', async () => {
    const { login, effective } = await loadedConfig(
      'user: proxy',
      `password-file: ${fileWith('s3cret\nx')}`,
    );
    expect(login).toEqual({ user: 'proxy', password: 's3cret' });
    expect(JSON.stringify(effective)).not.toContain('s3cret');
  });

  test('require each other, and the password must not be empty', async () => {
    expect(await problemsOf('user: proxy')).toEqual(['c.yaml:2: "user" requires --password-file']);
    expect(await problemsOf(`password-file: ${fileWith('\n')}`)).toEqual([
      'c.yaml:2: "password-file" requires --user',
      'c.yaml:2: "password-file" must contain the password in its first line',
    ]);
  });

  test('may include a certificate with a common name only if that is allowed', async () => {
    const { certificateFile, keyFile } = authority.issue({ name: '/CN=root' });
    const pair = [`cert: ${certificateFile}`, `key: ${keyFile}`];
    expect(await problemsOf(...pair)).toEqual([
      expect.stringContaining('must not have a common name'),
    ]);
    expect(await problemsOf(...pair, 'allow-common-name: true')).toEqual([]);
  });
});

describe('the keys of session tokens', () => {
  const [first, second] = ['a'.repeat(32), 'b'.repeat(44)];

  test('are listed one per line, and the process has none of them without the file', async () => {
    const file = fileWith(`${first}\r\n\n  ${second}\n`);
    const { tokenKeys } = await loadedConfig(`token-key-file: ${file}`);
    expect(tokenKeys.map((key) => Buffer.from(key).toString())).toEqual([first, second]);
    expect((await loadedConfig(one, listener)).tokenKeys).toEqual([]);
  });

  test.each([
    ['\n\n', 'must contain a key'],
    [`${first}\nshort`, 'must contain keys of at least 32 bytes, one a line'],
    [`${first}\n${first}`, 'contains a key twice'],
    [Array.from({ length: 9 }, (_, i) => `${i}${first}`).join('\n'), 'must contain at most 8 keys'],
  ])('are rejected without being quoted: %j', async (text, problem) => {
    expect(await problemsOf(`token-key-file: ${fileWith(text)}`)).toEqual([
      `c.yaml:2: "token-key-file" ${problem}`,
    ]);
  });
});

test('every file that the configuration depends on is listed, readable or not', async () => {
  const { files } = await loaded(
    'cacert: /nowhere/ca.pem',
    'users-file: /nowhere/users',
    one,
    'listeners: [{ address: ":1", tenant: a, cert-file: /nowhere/cert, key-file: /nowhere/key }]',
  );
  expect([...files.keys()]).toEqual([
    '/nowhere/ca.pem',
    '/nowhere/users',
    '/nowhere/cert',
    '/nowhere/key',
  ]);
});
