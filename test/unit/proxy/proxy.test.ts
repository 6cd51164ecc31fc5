/** A proxy in this process, without etcd. */
import { expect, test } from 'vitest';
import { startConfigured } from '../../support/configured.ts';

test('/upstreamz shows the name, state, failure and version of an endpoint, and nothing that differs between workers in the same state', async () => {
  await using proxy = await startConfigured({
    endpoints: ['127.0.0.1:1'],
    'listen-addr': '127.0.0.1:0',
    'admin-addr': '127.0.0.1:0',
  });
  const response = await fetch(`http://${proxy.adminAddress}/upstreamz`);
  const { endpoints } = (await response.json()) as { readonly endpoints: readonly object[] };
  expect(endpoints.map(Object.keys)).toEqual([['name', 'state', 'lastError', 'version']]);
});
