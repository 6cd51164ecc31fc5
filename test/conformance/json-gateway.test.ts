/** The same JSON requests to etcd's own gateway and through the proxy. The responses must be the same, byte for byte. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { type SharedEtcd, startSharedEtcd } from '../support/shared-etcd.ts';
import { until } from '../support/until.ts';
import { expectedDifference } from './json-gateway/differences.ts';
import { masked, send } from './json-gateway/exchange.ts';
import { groups } from './json-gateway/requests.ts';

let etcd: Etcd;
let shared: SharedEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
  shared = await startSharedEtcd({
    tenants: [{ name: 'tenant', namespace: 'tenant-\u00ff/' }],
    settings: { transport: 'native', cors: '*' },
  });
  // The proxy responds like the release behind it as soon as it knows that.
  await until('a version', async () => {
    const version = { name: 'version', path: '/version', body: '', verb: 'GET' };
    return (await send(shared.address('tenant'), version))?.status === 200;
  });
});

afterAll(async () => {
  await shared?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
});

describe('JSON requests get the responses of etcd', () => {
  test.each(Object.entries(groups))(
    '%s',
    async (_, requests) => {
      const differences: string[] = [];
      for (const request of requests) {
        const [direct, proxied] = await Promise.all([
          send(etcd.address, request),
          send(shared.address('tenant'), request),
        ]);
        const expected = masked(direct);
        const got = masked(proxied);
        if (JSON.stringify(expected) === JSON.stringify(got)) continue;
        if (expectedDifference(request)) continue;
        differences.push(
          `${request.name}\n  etcd:  ${JSON.stringify(expected)}\n  proxy: ${JSON.stringify(got)}`,
        );
      }
      expect(differences.join('\n')).toBe('');
    },
    240_000,
  );

  test('at least 300 requests are recorded', () => {
    expect(Object.values(groups).flat().length).toBeGreaterThanOrEqual(300);
  });
});
