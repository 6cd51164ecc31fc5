/** Tenants and listeners with everything that the file may say of them, and every way to say it wrong. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { parsePasswordHash } from '../../../src/config/sections/users.ts';
import { ownerMethods } from '../../../src/etcd/methods.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { Issuer } from '../../support/jwt.ts';
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

function load(...lines: string[]) {
  return loadConfig({
    flags: new Map(),
    environment: {},
    file: { name: 'c.yaml', text: ['endpoints: etcd:1', ...lines].join('\n') },
    checkTenants: () => [],
  });
}

function config(...lines: string[]) {
  const { config: loaded, problems } = load(...lines);
  if (loaded === null) throw new Error(problems.map(formatProblem).join('\n'));
  return loaded;
}

const problems = (...lines: string[]) => load(...lines).problems.map(formatProblem);
const one = 'tenants: [{ name: a, namespace: a/ }]';
const listener = 'listeners: [{ address: ":1", tenant: a }]';

describe('a tenant', () => {
  test('is a user and a claim of its own name, unless it says who it is', () => {
    const { tenants } = config(
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

  test('may be read-only, alone or with all the others', () => {
    const readOnly = 'tenants: [{ name: a, namespace: a/, access: read-only }]';
    expect(config(readOnly, listener).tenants[0]?.access).toBe('read-only');
    expect(config('read-only: true', one, listener).tenants[0]?.access).toBe('read-only');
    expect(config('read-only: true').tenants[0]?.access).toBe('read-only');
  });

  test('may own the cluster, whole or by the method', () => {
    const owner = (more: string) =>
      config(`tenants: [{ name: a, namespace: a/, role: owner${more} }]`, listener).tenants[0]
        ?.owns;
    expect(owner('')).toEqual([...ownerMethods]);
    expect(owner(', owner-methods: [Compact, Snapshot]')).toEqual([
      'etcdserverpb.KV/Compact',
      'etcdserverpb.Maintenance/Snapshot',
    ]);
    expect(config(one, listener).tenants[0]?.owns).toEqual([]);
  });

  test('with mistakes is told all of them, with their lines', () => {
    expect(
      problems(
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
      'c.yaml:5: "access" is not one of read-write, read-only; did you mean "read-only"?',
      'c.yaml:7: "owner-methods" has "Snapshott", which is no method for owners; did you mean "Snapshot"?',
      'c.yaml:10: "owner-methods" needs "role: owner"',
      expect.stringMatching(/^c\.yaml:11: .*"usr:x", .* did you mean "user"\?$/),
      expect.stringMatching(/^c\.yaml:11: "identities" has "user:", which must begin with user: /),
      'c.yaml:11: "user:a" is tenant "a" already',
    ]);
  });
});

describe('a listener', () => {
  test('identifies in several ways, with certificates of its own', () => {
    const pair = authority.issue({ name: '/CN=proxy' });
    const { listeners } = config(
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

  test('has what its ways need, or is told what is missing', () => {
    expect(
      problems(
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
      'c.yaml:4: "identify" by certificate needs "trusted-ca-file", here or for all listeners',
      'c.yaml:5: "identify" by user needs "users-file"',
      'c.yaml:6: "identify" by jwt needs "jwks-file"',
      'c.yaml:6: "pass-credentials" cannot be: here a token says who calls, and ends',
      'c.yaml:7: "identify" has "cert", not one of user, jwt, certificate',
      'c.yaml:8: "tenant" is missing, or "identify", which says how clients are told apart',
      'c.yaml:9: "key-file" needs --cert-file as well',
      expect.stringContaining('c.yaml:9: "key-file" cannot be read: ENOENT'),
    ]);
  });
});

describe('the users', () => {
  const scrypt = `$scrypt$ln=14,r=8,p=5$${'a'.repeat(22)}$${'b'.repeat(43)}`;
  const bcrypt = `$2y$05$${'c'.repeat(53)}`;

  test('come one in a line, with hashes of two kinds', () => {
    const file = fileWith(`# who\n\nred:${scrypt}\r\nblue:${bcrypt}\n`);
    const { users } = config(`users-file: ${file}`);
    expect([...users].map(([user, { kind }]) => [user, kind])).toEqual([
      ['red', 'scrypt'],
      ['blue', 'bcrypt'],
    ]);
  });

  test('with mistakes are told by their lines, and no line is repeated', () => {
    const file = fileWith(`no colon\n:${bcrypt}\nred:secret\nblue:${bcrypt}\nblue:${bcrypt}`);
    const found = problems(`users-file: ${file}`);
    expect(found).toEqual([
      'c.yaml:2: line 1: a name and ":" are missing',
      'c.yaml:2: line 2: a name and ":" are missing',
      'c.yaml:2: line 3: is neither $scrypt$ln=…,r=…,p=…$salt$hash nor bcrypt of cost 4 to 14',
      'c.yaml:2: line 5: "blue" stands there twice',
    ]);
  });

  test.each(['ln=18,r=8,p=1', 'ln=14,r=8,p=32', 'ln=14,r=99,p=1', 'ln=0,r=8,p=1', 'ln=14,r=8,p=0'])(
    'are refused a hash that costs too much or nothing: %s',
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

  test('are pinned to an issuer, an audience and asymmetric algorithms', () => {
    const { bearer } = config(`jwks-file: ${keys(jwk)}`, 'jwt-issuer: i', 'jwt-audience: a');
    expect(bearer).toMatchObject({
      ...{ issuer: 'i', audience: 'a', claim: 'sub', keys: [jwk] },
      algorithms: ['RS256', 'ES256', 'EdDSA'],
    });
    expect(
      problems(`jwks-file: ${keys(jwk)}`, 'jwt-algorithms: [none, HS256]', 'jwt-claim: ""'),
    ).toEqual([
      '--jwt-issuer: is missing: whose tokens are these?',
      '--jwt-audience: is missing: a token for somebody else must not do',
      'c.yaml:4: is empty',
      expect.stringContaining('c.yaml:3: "none" is not one of RS256'),
      expect.stringContaining('c.yaml:3: "HS256" is not one of RS256'),
    ]);
  });

  test('are verified with public keys and no others', () => {
    const pins = ['jwt-issuer: i', 'jwt-audience: a'];
    const told = (file: string) => problems(`jwks-file: ${file}`, ...pins);
    expect(told(keys({ ...jwk, d: 'x' }, { kty: 'oct', k: 'x' }))).toEqual([
      'c.yaml:2: key 0 is a private key, which nobody but its issuer should have',
      'c.yaml:2: key 1: its type must be RSA, EC or OKP',
    ]);
    for (const text of ['[]', '{"keys": 1}', '{"keys": [1]}', 'x', 'null']) {
      expect(told(fileWith(text)), text).toEqual([expect.stringContaining('no JSON Web Key Set')]);
    }
    expect(told(keys())).toEqual(['c.yaml:2: holds no key']);
    expect(problems(...pins)).toHaveLength(2);
  });
});

describe('patterns of URIs', () => {
  test('name the tenant by every part that may vary', () => {
    const text =
      'uri-pattern: ["spiffe://td/sa/{tenant}", "spiffe://td/ns/{ns}/sa/{sa}={ns}.{sa}"]';
    expect(config(text).uriPatterns).toEqual([
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
  ])('that leave anything open are mistakes: %s', (pattern) => {
    expect(problems(`uri-pattern: ["${pattern}"]`)).toHaveLength(1);
  });
});

describe('credentials towards etcd', () => {
  test('are a user and the first line of a file', () => {
    const { login, effective } = config('user: proxy', `password-file: ${fileWith('s3cret\nx')}`);
    expect(login).toEqual({ user: 'proxy', password: 's3cret' });
    expect(JSON.stringify(effective)).not.toContain('s3cret');
  });

  test('go together, and an empty password is none', () => {
    expect(problems('user: proxy')).toEqual(['c.yaml:2: needs --password-file as well']);
    expect(problems(`password-file: ${fileWith('\n')}`)).toEqual([
      'c.yaml:2: needs --user as well',
      'c.yaml:2: its first line is empty',
    ]);
  });

  test('may be a certificate with a common name where that was asked for', () => {
    const { certificateFile, keyFile } = authority.issue({ name: '/CN=root' });
    const pair = [`cert: ${certificateFile}`, `key: ${keyFile}`];
    expect(problems(...pair)).toEqual([expect.stringContaining('has a common name')]);
    expect(problems(...pair, 'allow-common-name: true')).toEqual([]);
  });
});

test('every file that the configuration depends on is known, readable or not', () => {
  const { files } = load(
    'cacert: /nowhere/ca.pem',
    'users-file: /nowhere/users',
    one,
    'listeners: [{ address: ":1", tenant: a, cert-file: /nowhere/cert, key-file: /nowhere/key }]',
  );
  expect(files).toEqual(['/nowhere/ca.pem', '/nowhere/users', '/nowhere/cert', '/nowhere/key']);
});
