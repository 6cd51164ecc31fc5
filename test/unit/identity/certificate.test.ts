/** Which tenant a certificate maps to, with all combinations of names that agree or contradict each other. */
import { describe, expect, test } from 'vitest';
import type { PeerCertificate } from '../../../src/grpc/transport.ts';
import { byCertificate } from '../../../src/identity/certificate.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../../support/tenancy.ts';
import { callOf } from '../../support/test-call.ts';

const directory = directoryOf({
  tenants: [
    { ...tenantConfig('red'), identities: ['cn:red', 'dns:red.example', 'uri:spiffe://x/red'] },
    { ...tenantConfig('blue'), identities: ['cn:blue', 'dns:blue.example'] },
  ],
  listeners: [listenerConfig('tls', { identify: ['certificate'] })],
});

/** The name of the tenant, or the reason of the rejection. */
function tenantOf(names: Partial<PeerCertificate>): string {
  const certificate = { commonNames: [], uris: [], dnsNames: [], ...names };
  const call = callOf('etcdserverpb.KV/Put');
  const peer = { listener: 'tls', remote: '', certificate };
  const found = byCertificate()({ ...call, peer } as typeof call, directory);
  if (found === null || found instanceof Promise) throw new Error('no identification');
  return typeof found === 'string' ? found : found.name;
}

describe('a certificate with several common names', () => {
  test('is rejected if they map to different tenants, in any order', () => {
    expect(tenantOf({ commonNames: ['blue', 'red'] })).toBe('tenant-unknown');
    expect(tenantOf({ commonNames: ['red', 'blue'] })).toBe('tenant-unknown');
    expect(tenantOf({ commonNames: ['blue', 'other'], dnsNames: ['red.example'] })).toBe(
      'tenant-unknown',
    );
  });

  test('maps by the last one, as in etcd, if no other one contradicts it', () => {
    expect(tenantOf({ commonNames: ['Users', 'red'] })).toBe('red');
    expect(tenantOf({ commonNames: ['red', 'red'] })).toBe('red');
    expect(tenantOf({ commonNames: ['red', 'Users'] })).toBe('tenant-unknown');
  });
});

test('names of different kinds must map to the same tenant', () => {
  const uris = ['spiffe://x/red'];
  expect(tenantOf({ commonNames: ['red'], dnsNames: ['Red.Example', 'other'], uris })).toBe('red');
  expect(tenantOf({ commonNames: ['blue'], uris })).toBe('tenant-unknown');
  expect(tenantOf({ dnsNames: ['red.example', 'blue.example'] })).toBe('tenant-unknown');
  expect(tenantOf({ commonNames: ['other'] })).toBe('tenant-unknown');
});
