/** The address that MemberList names to a client, from what the client dialed and where its connection ended. */
import { expect, test } from 'vitest';
import { clientAuthority } from '../../../src/proxy/client-authority.ts';

test.each([
  ['a Service in front', 'etcd.games.svc:2379', '10.1.2.3:2379'],
  ['a mapped port', 'localhost:12379', '172.17.0.2:2379'],
  ['an IPv4 address', '192.0.2.7:2379', '10.0.0.1:2379'],
  ['an IPv6 address', '[2001:db8::7]:2379', '[2001:db8::8]:2379'],
])('is what the client has dialed: %s', (_, authority, local) => {
  expect(clientAuthority(authority, local)).toBe(authority);
});

test.each([
  ['nothing', ''],
  ['a name for TLS without a port', 'server.example'],
  ['all addresses', '0.0.0.0:2379'],
  ['all addresses, IPv6', '[::]:2379'],
  ['all addresses, written out', '[0:0:0:0:0:0:0:0]:2379'],
  ['no host', ':2379'],
  ['no port that can be dialed', 'etcd:0'],
  ['a port that does not exist', 'etcd:70000'],
  ['an IPv6 address without brackets', '2001:db8::7:2379'],
  ['a zone', '[fe80::1%eth0]:2379'],
  ['a path', 'unix:///run/etcd.sock'],
  ['a URL', 'http://etcd:2379'],
  ['user information', 'a@etcd:2379'],
  ['a line break', 'etcd\n:2379'],
  ['a path after the port', 'etcd:2379/v3'],
  ['a very long name', `${'a'.repeat(260)}:2379`],
])('is the local address if the client sends %s', (_, authority) => {
  expect(clientAuthority(authority, '10.0.0.1:2379')).toBe('10.0.0.1:2379');
});

test('an address can be written into a URL', () => {
  expect(clientAuthority('', '[::ffff:127.0.0.1]:2379')).toBe('127.0.0.1:2379');
  expect(clientAuthority('', '[fe80::1%eth0]:2379')).toBe('[fe80::1%25eth0]:2379');
  expect(clientAuthority('', '[2001:db8::8]:2379')).toBe('[2001:db8::8]:2379');
});

test('it is not known for a client that has disconnected and sent no usable name', () => {
  expect(clientAuthority('', '')).toBeNull();
});
