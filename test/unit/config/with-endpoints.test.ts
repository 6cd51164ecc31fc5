/** Endpoints that were found take the place of the configured ones, and give it back. */
import { expect, test } from 'vitest';
import { withEndpoints } from '../../../src/config/with-endpoints.ts';
import { loadedConfig } from '../../support/loaded-config.ts';

const tls = ['insecure-skip-tls-verify: true'];

async function foundBy(lines: readonly string[], found: readonly string[] | null) {
  const { endpoints } = withEndpoints(await loadedConfig(...lines), found);
  return endpoints.map(({ name, tls: used }) => [name, used?.skipVerification ?? 'plain']);
}

test('the scheme of an address decides about TLS, and the settings about an address without one', async () => {
  const found = ['http://a:1', 'https://b:2', 'c:3', 'etcd:1'];
  expect(await foundBy([], found)).toEqual([
    ...[['http://a:1', 'plain'] as const, ['https://b:2', false] as const],
    ...[['c:3', 'plain'] as const, ['etcd:1', 'plain'] as const],
  ]);
  expect(await foundBy(tls, found)).toEqual([
    ...[['http://a:1', 'plain'] as const, ['https://b:2', true] as const],
    ...[['c:3', true] as const, ['etcd:1', true] as const],
  ]);
});

test('an address of the proxy itself, and a text that is not an address, are left out', async () => {
  const lines = ['listen-addr: 127.0.0.1:2379'];
  const found = ['http://localhost:2379', 'http://etcd:2379', 'x', 'http://'];
  expect(await foundBy(lines, found)).toEqual([['http://etcd:2379', 'plain']]);
});

test('the configured endpoints are used again after the ones that were found', async () => {
  const config = await loadedConfig();
  const found = withEndpoints(config, ['http://a:1']);
  expect(found.endpoints).not.toEqual(config.endpoints);
  expect(withEndpoints(found, null)).toEqual(config);
});
