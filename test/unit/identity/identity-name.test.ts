/** What the audit log shows as the identity of a call. */
import { expect, test } from 'vitest';
import type { Metadata } from '../../../src/grpc/metadata.ts';
import type { PeerCertificate } from '../../../src/grpc/transport.ts';
import { BearerTokens } from '../../../src/identity/bearer.ts';
import { identityName } from '../../../src/identity/identity-name.ts';
import { Sessions } from '../../../src/identity/sessions.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../../support/tenancy.ts';
import { callOf } from '../../support/test-call.ts';

const directory = directoryOf({
  tenants: [tenantConfig('red')],
  listeners: [
    listenerConfig('tls', { identify: ['certificate', 'jwt'] }),
    listenerConfig('plain', { tenant: 'red' }),
  ],
});

function nameOf(
  listener: string,
  names: Partial<PeerCertificate> | null,
  metadata: Metadata = [],
): string {
  const clock = new ManualClock();
  const call = callOf('etcdserverpb.KV/Put', { metadata });
  const certificate = names && { commonNames: [], uris: [], dnsNames: [], ...names };
  const peer = { listener, remote: '', certificate };
  const sessions = new Sessions(clock, systemRandom);
  return identityName(
    { ...call, peer } as typeof call,
    directory,
    sessions,
    new BearerTokens(clock),
  );
}

test('a certificate is shown with its names, bounded and printable', () => {
  expect(nameOf('tls', { commonNames: ['red'], uris: ['spiffe://x/red'] })).toBe(
    'uri:spiffe://x/red cn:red',
  );
  expect(nameOf('tls', { commonNames: ['\x1b[2J\r\n\u202e'] })).toBe(
    'cn:\\x1b[2J\\x0d\\x0a\\xe2\\x80\\xae',
  );
  const many = Array.from({ length: 60 }, (_, i) => `${i}${'x'.repeat(500)}`);
  expect(nameOf('tls', { dnsNames: many }).length).toBeLessThan(300);
});

test('a token that proves nothing is not shown', () => {
  for (const token of ['forged-secret', 'header.payload-secret.signature']) {
    expect(nameOf('tls', { commonNames: ['red'] }, ['token', token])).toBe('token');
    expect(nameOf('plain', null, ['authorization', `Bearer ${token}`])).toBe('token');
  }
});

test('a certificate that the listener does not ask for, and a call without identity, are the listener', () => {
  expect(nameOf('plain', { commonNames: ['red'] })).toBe('listener');
  expect(nameOf('tls', null)).toBe('listener');
});
