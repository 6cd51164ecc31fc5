/** A proxy in this process, without etcd. */
import { expect, test } from 'vitest';
import { startConfigured } from '../../support/configured.ts';

test('/upstreamz shows the state, the role and the connections of an endpoint', async () => {
  await using proxy = await startConfigured({
    endpoints: ['127.0.0.1:1'],
    'listen-addr': '127.0.0.1:0',
    'admin-addr': '127.0.0.1:0',
  });
  const response = await fetch(`http://${proxy.adminAddress}/upstreamz`);
  const { endpoints } = (await response.json()) as { readonly endpoints: readonly object[] };
  expect(endpoints).toEqual([
    {
      ...{ name: '127.0.0.1:1', state: expect.any(String), lastError: expect.any(String) },
      ...{ version: '', role: '', dbBytes: 0 },
      connections: { unary: expect.any(Number), watch: 0, lease: 0 },
      openStreams: { unary: 0, watch: 0, lease: 0 },
    },
  ]);
});
