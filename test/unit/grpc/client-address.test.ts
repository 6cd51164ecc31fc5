import { expect, test } from 'vitest';
import { clientAddress } from '../../../src/grpc/client-address.ts';
import { hostPort } from '../../../src/grpc/host-port.ts';

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts as %s, whatever its port', (host, address) => {
  for (const port of [1, 65_535]) {
    const peer = { listener: 'l', remote: hostPort(host, port), certificate: null };
    expect(clientAddress(peer)).toBe(address);
  }
});

test('clients of a Unix socket count as one address', () => {
  expect(clientAddress({ listener: 'unix:///s', remote: '' })).toBe('unix:///s');
});
