import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Environment, type LoadResult, loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import type { SettingName } from '../../../src/config/schema.ts';
import { noLimits, type UsageLimits } from '../../../src/config/sections/usage-limits.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { listenerConfig, tenantConfig } from '../../support/tenancy.ts';

const directory = new TemporaryDirectory('config');
afterAll(() => directory[Symbol.dispose]());

interface Input {
  readonly flags?: Partial<Record<SettingName, string | readonly string[]>>;
  readonly environment?: Environment;
  readonly file?: string;
}

/** An endpoint that is not an address of the proxy. */
const elsewhere = { endpoints: 'etcd:2379' } as const;

function load({ flags = elsewhere, environment = {}, file }: Input): Promise<LoadResult> {
  return loadConfig({
    flags: new Map(
      Object.entries(flags).map(([name, texts]) => [
        name as SettingName,
        { texts: [texts].flat() as string[], where: `--${name}` },
      ]),
    ),
    environment,
    ...(file !== undefined && { file: { name: 'c.yaml', text: file } }),
    checkTenants: () => [],
  });
}

async function config(given: Input) {
  const loaded = await load(given);
  if (loaded.config === null) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const { effective: _effective, ...rest } = loaded.config;
  return rest;
}

const problems = async (given: Input) => (await load(given)).problems.map(formatProblem);

const defaultLimits: UsageLimits = {
  callsPerSecond: 200_000,
  callBurst: 200_000,
  openCallsMax: 25_000,
  openStreamsMax: 50_000,
  openWatchesMax: 100_000,
  leasesPerMinute: 100_000,
  messageBytesMax: Number.POSITIVE_INFINITY,
};

const endpoint = { name: 'etcd:2379', address: { host: 'etcd', port: 2379 }, tls: null };

/** The configuration without any settings except an endpoint. */
const defaults = {
  tenants: [tenantConfig('default', '', { limits: defaultLimits })],
  totals: {
    ...noLimits,
    openCallsMax: 100_000,
    openStreamsMax: 100_000,
    openWatchesMax: 200_000,
  },
  leaseSecret: Buffer.alloc(0),
  leaseIds: 'namespaced',
  listeners: [
    listenerConfig('127.0.0.1:2379', {
      address: { host: '127.0.0.1', port: 2379 },
      tenant: 'default',
    }),
    listenerConfig('[::1]:2379', {
      address: { host: '::1', port: 2379 },
      tenant: 'default',
      required: false,
    }),
  ],
  users: new Map(),
  bearer: null,
  uriPatterns: [],
  login: null,
  endpoints: [endpoint],
  configuredEndpoints: [endpoint],
  advertiseClientUrls: [],
  registration: null,
  adminTls: null,
  secureTls: {
    authorities: null,
    certificate: null,
    key: null,
    serverName: null,
    skipVerification: false,
  },
  schemelessTls: null,
  adminAddress: { host: '127.0.0.1', port: 2381 },
  tokenKeys: [],
  adminActions: false,
  adminShutdown: false,
  transport: 'native',
  workers: 1,
  logLevel: 'info',
  logKeys: 'off',
  accessLog: { mode: 'off', slowMs: 1_000, sampleOneOf: 100, linesPerSecondMax: 100 },
  auditLog: true,
  advice: true,
  jsonGateway: true,
  corsOrigins: [],
  tracing: null,
  shareKeepAlives: true,
  shareReads: false,
  holdMs: 5_000,
  requestTimeoutMs: 15_000,
  keepaliveMs: 10_000,
  keepaliveTimeoutMs: 5_000,
  drain: { minMs: 0, windowMs: 5_000, maxMs: 25_000 },
  breaker: {
    enabled: true,
    windowMs: 10_000,
    callsMin: 20,
    errorPercent: 50,
    openMs: 1_000,
    openMaxMs: 30_000,
  },
  limits: {
    messageBytesMax: 2_097_152,
    messageMemoryBytes: 0,
    streamsMax: Number.POSITIVE_INFINITY,
    inFlightMax: 1_000,
    readBytesMax: 134_217_728,
    connectionsMax: 0,
    keepAlive: { minTimeMs: 5_000, intervalMs: 7_200_000, timeoutMs: 20_000 },
  },
};

describe('a setting with several sources', () => {
  const aEndpoint = { name: 'a:1', address: { host: 'a', port: 1 }, tls: null };
  const bEndpoint = { name: 'b:2', address: { host: 'b', port: 2 }, tls: null };
  const inFile = { ...elsewhere, config: '' };
  const cases: readonly [string, Input, Partial<typeof defaults>][] = [
    ['without a source has its default', {}, {}],
    ['the file overrides the default', { file: 'hold: 1s' }, { holdMs: 1_000 }],
    [
      'the environment overrides the file',
      { file: 'hold: 1s', environment: { ETCD_BULKHEAD_HOLD: '2s' } },
      { holdMs: 2_000 },
    ],
    [
      'the flag overrides the environment',
      {
        file: 'hold: 1s',
        environment: { ETCD_BULKHEAD_HOLD: '2s' },
        flags: { ...inFile, hold: '3s' },
      },
      { holdMs: 3_000 },
    ],
    [
      'each setting is overridden independently',
      {
        file: 'hold: 1s\nlog-keys: true\nmin-drain: 2s',
        environment: { ETCD_BULKHEAD_MIN_DRAIN: '1s', ETCD_BULKHEAD_LOG_LEVEL: 'debug' },
        flags: { ...inFile, 'log-level': 'warn' },
      },
      {
        holdMs: 1_000,
        logKeys: 'on',
        logLevel: 'warn',
        drain: { ...defaults.drain, minMs: 1_000 },
      },
    ],
    [
      'a list in the file equals a list in a flag',
      {
        flags: {},
        file: 'endpoints: [a:1, b:2]',
      },
      { endpoints: [aEndpoint, bEndpoint], configuredEndpoints: [aEndpoint, bEndpoint] },
    ],
    ['the file may be JSON', { file: '{"hold": "1s"}' }, { holdMs: 1_000 }],
    ['an empty file sets nothing', { file: '# nothing\n' }, {}],
  ];

  test.each(cases)('%s', async (_name, given, differing) => {
    expect(await config(given)).toEqual({ ...defaults, ...differing });
  });
});

test('a repeated flag equals a flag with comma-separated values', async () => {
  const joined = await config({ flags: { endpoints: 'a:1,b:2' } });
  expect(await config({ flags: {}, file: 'endpoints: a:1,b:2' })).toEqual(joined);
  expect(await config({ flags: { endpoints: ['a:1', 'b:2'] } })).toEqual(joined);
});

test('the elements of a list in the file may contain commas, whatever the setting', async () => {
  const text = `
endpoints: ["unix:///path,with,commas", "etcd:2379"]
listen-addr: ["unix:///listen,here"]
advertise-client-url: ["unix:///a,b", "http://c:1"]
`;
  const got = await config({ flags: {}, file: text });
  expect(got.endpoints.map(({ address }) => address)).toEqual([
    { path: '/path,with,commas' },
    { host: 'etcd', port: 2379 },
  ]);
  expect(got.listeners.map(({ name }) => name)).toEqual(['unix:///listen,here']);
  expect(got.advertiseClientUrls).toEqual(['unix:///a,b', 'http://c:1']);
});

test('the problems of all sources are reported at once, with their lines', async () => {
  writeFileSync(join(directory.path, 'no.pem'), 'nothing of the kind');
  const found = await problems({
    flags: {
      ...elsewhere,
      hold: '5',
      cacert: join(directory.path, 'missing.pem'),
      'trusted-ca-file': join(directory.path, 'no.pem'),
      key: 'only.key',
      'max-drain': '1s',
    },
    environment: { ETCD_BULKHEAD_TRANSPROT: 'native', ETCD_BULKHEAD_BREAKER: 'maybe' },
    file: [
      'log-levle: info',
      'dial-keepalive-time: 5s',
      'tenants:',
      '  - name: game one',
      '    namepsace: game-1/',
      '  - name: game-2',
      '    namespace: game-2/',
      '    access: none',
      'listeners:',
      '  - address: nowhere',
      '    tenant: game-3',
    ].join('\n'),
  });
  expect(found).toEqual([
    'ETCD_BULKHEAD_TRANSPROT: unknown environment variable; did you mean "ETCD_BULKHEAD_TRANSPORT"?',
    'c.yaml:1: unknown key "log-levle"; did you mean "log-level"?',
    'c.yaml:5: unknown key "namepsace"; did you mean "namespace"?',
    'c.yaml:2: "dial-keepalive-time" must be at least 10s, not "5s"',
    '--hold: must be a duration such as 500ms, 5s or 1m30s, not "5"',
    'ETCD_BULKHEAD_BREAKER: must be true or false, not "maybe"',
    'c.yaml:4: "name" must be 1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
    'c.yaml:4: "namespace" is required',
    'c.yaml:8: "access" must be read-write or read-only, not "none"',
    expect.stringContaining('--trusted-ca-file: must contain a certificate in PEM format'),
    '--cert-file: is required with "trusted-ca-file": client certificates require TLS',
    'c.yaml:10: "address" must be an address such as 127.0.0.1:2379 or unix:///path',
    'c.yaml:11: "tenant" must be the name of a configured tenant, not "game-3"; did you mean "game-2"?',
    '--key: requires "cert"',
    expect.stringContaining('--key: cannot be read: ENOENT'),
    expect.stringContaining('--cacert: cannot be read: ENOENT'),
    '--max-drain: must be at least 5s, the sum of --min-drain and --drain-window',
  ]);
});

test('invalid YAML is reported with its line', async () => {
  expect((await problems({ file: 'hold: 1s\nhold: [' }))[0]).toMatch(/^c\.yaml:2: invalid YAML/);
});

test('a duplicate key and a key without a value are rejected', async () => {
  expect((await problems({ file: 'hold: 1s\nhold: 2s' }))[0]).toMatch(/^c\.yaml:2: invalid YAML/);
  expect(await problems({ file: 'hold:' })).toEqual(['c.yaml:1: "hold" must not be empty']);
});

test('numbers in the file are read as text, not converted by YAML', async () => {
  expect(await problems({ file: 'max-concurrent-streams: 1e3' })).toEqual([
    'c.yaml:1: "max-concurrent-streams" must be a whole number, not "1e3"',
  ]);
  expect(
    (await config({ file: 'tenants: [{name: "1", namespace: 007/}]' })).tenants[0]?.namespace,
  ).toBe('007/');
});

describe('an endpoint that is an address of the proxy is rejected', () => {
  test.each([
    ['127.0.0.1:2379', '127.0.0.1:2379'],
    ['localhost:2379', '127.0.0.1:2379'],
    ['[::1]:2379', 'localhost:2379'],
    ['http://127.0.0.1:2379', ':2379'],
    ['127.0.0.2:2379', '0.0.0.0:2379'],
    ['unix:///run/etcd.sock', 'unix:///run/etcd.sock'],
  ])('endpoint %s, listener %s', async (endpoint, listener) => {
    expect(await problems({ flags: { endpoints: endpoint, 'listen-addr': listener } })).toEqual([
      expect.stringContaining(
        `--endpoints: contains ${endpoint}, where this proxy itself listens (${listener})`,
      ),
    ]);
  });

  test.each([
    ['127.0.0.1:2379', '127.0.0.1:2380'],
    ['10.0.0.1:2379', '127.0.0.1:2379'],
    ['127.0.0.2:2379', '127.0.0.1:2379'],
    ['127.example.org:2379', '0.0.0.0:2379'],
  ])('but not endpoint %s, listener %s', async (endpoint, listener) => {
    expect(await problems({ flags: { endpoints: endpoint, 'listen-addr': listener } })).toEqual([]);
  });
});

test('variables of Kubernetes for a Service named etcd-bulkhead are not settings', async () => {
  const environment = {
    ETCD_BULKHEAD_SERVICE_HOST: '10.0.0.1',
    ETCD_BULKHEAD_SERVICE_PORT: '2379',
    ETCD_BULKHEAD_SERVICE_PORT_CLIENT: '2379',
    ETCD_BULKHEAD_PORT: 'tcp://10.0.0.1:2379',
    ETCD_BULKHEAD_PORT_2379_TCP: 'tcp://10.0.0.1:2379',
    ETCD_BULKHEAD_PORT_2379_TCP_ADDR: '10.0.0.1',
    ETCD_BULKHEAD_GATEWAY_SERVICE_HOST: '10.0.0.1',
  };
  expect(await config({ environment })).toEqual(defaults);
});

describe('tenants', () => {
  const two =
    'tenants: [{name: a, namespace: a/}, {name: b, namespace: b/, pass-unknown-fields: true}]';

  test('come from the file, each with its listener', async () => {
    const listeners = 'listeners: [{address: ":1", tenant: a}, {address: "unix:///b", tenant: b}]';
    expect(await config({ file: `${two}\n${listeners}` })).toEqual({
      ...defaults,
      tenants: [
        tenantConfig('a', 'a/', { limits: defaultLimits }),
        tenantConfig('b', 'b/', { limits: defaultLimits, passesUnknownFields: true }),
      ],
      listeners: [
        listenerConfig(':1', { address: { host: '::', port: 1 }, tenant: 'a' }),
        listenerConfig('unix:///b', {
          address: { path: '/b', permissions: { mode: 0o660, gid: null } },
          tenant: 'b',
        }),
      ],
    });
  });

  test('require listeners if there are several', async () => {
    expect(await problems({ file: two })).toEqual([
      'listeners: the list is required with more than one tenant',
    ]);
  });

  test('cannot be combined with the flags for a single tenant', async () => {
    const file = 'tenants: [{name: a, namespace: a/}]\nlisteners: [{address: ":1", tenant: a}]';
    const flags = { ...elsewhere, namespace: 'x/', 'listen-addr': ':2' };
    expect(await problems({ file, flags })).toEqual([
      '--namespace: cannot be combined with a list of tenants in the file',
      '--listen-addr: cannot be combined with a list of listeners in the file',
    ]);
  });

  test('must have unique names, and listeners unique addresses', async () => {
    const file = [
      'tenants: [{name: a, namespace: a/}, {name: a, namespace: b/}]',
      'listeners: [{address: "localhost:1", tenant: a}, {address: "127.0.0.1:1", tenant: a}]',
    ].join('\n');
    expect(await problems({ file })).toEqual([
      'c.yaml:1: the name "a" is used twice',
      'listener 127.0.0.1:1: duplicate of listener localhost:1',
    ]);
  });

  test('are checked together, and the problems are reported with the others', async () => {
    const loaded = await loadConfig({
      flags: new Map([['hold', { texts: ['x'], where: '--hold' }]]),
      environment: {},
      file: { name: 'c.yaml', text: 'endpoints: etcd:1\ntenants: [{name: a, namespace: a}]' },
      checkTenants: ([tenant]) => [
        { where: 'the tenants', what: 'is wrong', tenant: tenant?.name ?? '' },
        { where: 'the tenants', what: 'are wrong together' },
        { where: 'tenant "a"', what: 'is not found by its text' },
      ],
    });
    expect(loaded.problems.map(formatProblem)).toEqual([
      expect.stringMatching(/^--hold: /),
      'c.yaml:2: tenant "a": is wrong',
      'the tenants: are wrong together',
      'tenant "a": is not found by its text',
    ]);
  });
});

test('a list has one effective value, however its elements are separated', async () => {
  const effective = async (file: string) => {
    const loaded = await load({ flags: {}, file });
    return loaded.config?.effective.map(({ name, value }) => [name, value]);
  };
  const written = 'endpoints: "a:1,b:2"\njwt-algorithms: "RS256,ES256"\nlisten-addr: ":1,:2"';
  const expected = await effective(written);
  expect(expected).toContainEqual(['endpoints', ['a:1', 'b:2']]);
  expect(await effective(written.replaceAll(',', ' , '))).toEqual(expected);
  const list =
    'endpoints: ["a:1", "b:2"]\njwt-algorithms: [RS256, ES256]\nlisten-addr: [":1", ":2"]';
  expect(await effective(list)).toEqual(expected);
});

test('effective settings are listed with their origins', async () => {
  const loaded = await load({ file: 'hold: 1s', environment: { ETCD_BULKHEAD_LOG_KEYS: '1' } });
  const effective = new Map(loaded.config?.effective.map(({ name, ...rest }) => [name, rest]));
  expect(effective.get('hold')).toEqual({ value: '1s', origin: 'c.yaml:1' });
  expect(effective.get('log-keys')).toEqual({ value: 'on', origin: 'ETCD_BULKHEAD_LOG_KEYS' });
  expect(effective.get('endpoints')).toEqual({ value: ['etcd:2379'], origin: '--endpoints' });
  expect(effective.get('max-drain')).toEqual({ value: '25s', origin: 'default' });
});
