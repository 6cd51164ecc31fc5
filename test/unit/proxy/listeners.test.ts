/** What a reload changes at listeners that are bound already. The transport is in memory. */
import { expect, test } from 'vitest';
import type { ListenerConfig } from '../../../src/config/sections/listeners.ts';
import type { ServerTls } from '../../../src/grpc/transport.ts';
import { Listeners } from '../../../src/proxy/listeners.ts';
import { loadedConfig } from '../../support/loaded-config.ts';
import { listenerConfig } from '../../support/tenancy.ts';

const unexpected = (): never => {
  throw new Error('no call was expected');
};

/** Bound with this listener. `commit` returns what needs a restart, `certificates` has what the transport was given. */
async function bound(listener: ListenerConfig) {
  const certificates: string[] = [];
  const listeners = new Listeners({
    server: {
      listen: async ({ name }) => ({
        address: name,
        replaceTls: ({ certificate }) => certificates.push(certificate.toString()),
        drain: async () => 0,
      }),
    },
    handler: { methods: new Map(), unary: unexpected, stream: unexpected },
    onUnavailable: () => {},
  });
  const config = await loadedConfig();
  await listeners.prepare({ ...config, listeners: [listener] });
  return {
    ...{ listeners, certificates },
    commit: (next: ListenerConfig) => listeners.commit({ ...config, listeners: [next] }, 0),
  };
}

function tlsWith(certificate: string, clientAuthorities: Buffer | null = null): ServerTls {
  return { certificate: Buffer.from(certificate), key: Buffer.from('k'), clientAuthorities };
}

function socket(mode: number, certificate: string): ListenerConfig {
  const address = { path: '/s', permissions: { mode, gid: null } };
  return listenerConfig('unix:///s', { address, tls: tlsWith(certificate) });
}

test('a certificate is replaced also if the permissions of the socket wait for a restart', async () => {
  const { commit, certificates } = await bound(socket(0o660, 'first'));
  expect(commit(socket(0o600, 'second'))).toEqual(['unix:///s']);
  expect(commit(socket(0o600, 'third'))).toEqual(['unix:///s']);
  expect(commit(socket(0o660, 'fourth'))).toEqual([]);
  expect(certificates).toEqual(['second', 'third', 'fourth']);
});

test('a change between plain text, TLS and client certificates waits for a restart', async () => {
  const name = '127.0.0.1:0';
  const plain = listenerConfig(name);
  const secure = listenerConfig(name, { tls: tlsWith('server') });
  const mutual = listenerConfig(name, { tls: tlsWith('mutual', Buffer.from('ca')) });
  const withTls = await bound(secure);
  expect([withTls.commit(plain), withTls.commit(mutual)]).toEqual([[name], [name]]);
  expect(withTls.listeners.isSecure(name)).toBe(true);
  expect(withTls.certificates).toEqual([]);
  const without = await bound(plain);
  expect(without.commit(secure)).toEqual([name]);
  expect([without.listeners.isSecure(name), without.certificates]).toEqual([false, []]);
});
