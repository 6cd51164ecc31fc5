import { describe, expect, test } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { needRestart } from '../../../src/config/need-restart.ts';
import { settingNames, settingOf } from '../../../src/config/schema.ts';

test('a reload applies exactly these settings', () => {
  expect(settingNames.filter((name) => settingOf(name).reload === 'applied').toSorted()).toEqual([
    'allow-common-name',
    'allow-undelimited',
    'auto-tls',
    'cacert',
    'cache-reads',
    'cert',
    'cert-file',
    'client-cert-auth',
    'client-crl-file',
    'config',
    'data-dir',
    'discovery-interval',
    'discovery-srv',
    'discovery-srv-name',
    'drain-window',
    'endpoints',
    'endpoints-auto-sync-interval',
    'insecure-discovery',
    'insecure-skip-tls-verify',
    'jwks-file',
    'jwt-algorithms',
    'jwt-audience',
    'jwt-claim',
    'jwt-issuer',
    'key',
    'key-file',
    'lease-ids',
    'lease-secret-file',
    'listen-addr',
    'listen-cipher-suites',
    'max-call-burst',
    'max-calls-per-second',
    'max-drain',
    'max-leases-per-minute',
    'max-open-calls',
    'max-open-streams',
    'max-open-watches',
    'max-total-calls-per-second',
    'max-total-open-calls',
    'max-total-open-streams',
    'max-total-open-watches',
    'min-drain',
    'namespace',
    'owner-methods',
    'pass-credentials',
    'pass-unknown-fields',
    'password-file',
    'read-only',
    'self-signed-cert-validity',
    'server-name',
    'share-keepalives',
    'share-watches',
    'socket-group',
    'socket-mode',
    'tls-max-version',
    'tls-min-version',
    'token-key-file',
    'trusted-ca-file',
    'uri-pattern',
    'user',
    'users-file',
  ]);
});

describe('the settings that need a restart', () => {
  test('are the changed settings that a reload does not apply', async () => {
    const before = await config('hold: 1s', 'log-level: info', 'min-drain: 1s');
    const after = await config('hold: 2s', 'log-level: info', 'min-drain: 2s', 'breaker: false');
    expect(needRestart(before, after)).toEqual(['hold', 'breaker']);
  });

  test('are compared by value, whether set or left at the default', async () => {
    expect(needRestart(await config('hold: 5s'), await config())).toEqual([]);
    expect(needRestart(await config('hold: 5s'), await config('hold: 6s'))).toEqual(['hold']);
  });

  test('never include tenants or listeners', async () => {
    const before = await config(...lists('a'));
    expect(needRestart(before, await config(...lists('b')))).toEqual([]);
    expect(needRestart(before, await config())).toEqual([]);
    expect(needRestart(await config(), before)).toEqual([]);
  });
});

const lists = (name: string) => [
  `tenants: [{ name: ${name}, namespace: ${name}/ }]`,
  `listeners: [{ address: "unix:///${name}", tenant: ${name} }]`,
];

async function config(...lines: string[]): Promise<Config> {
  const { config: loaded, problems } = await loadConfig({
    flags: new Map(),
    environment: {},
    file: { name: 'c.yaml', text: ['endpoints: etcd:1', ...lines].join('\n') },
    checkTenants: () => [],
  });
  if (loaded === null) throw new Error(JSON.stringify(problems));
  return loaded;
}
