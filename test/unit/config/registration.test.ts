/** The settings of a registration, with the checks of etcd's own proxy. */
import { expect, test } from 'vitest';
import { loadedConfig, problemsOf } from '../../support/loaded-config.ts';

const url = 'advertise-client-url: http://10.0.0.1:2379';

test('needs a prefix, a TTL and an address', async () => {
  const { registration } = await loadedConfig(url, 'resolver-prefix: /proxies', 'resolver-ttl: 5');
  expect(registration).toEqual({ prefix: '/proxies', ttlSeconds: 5 });
  expect((await loadedConfig(url)).registration).toBeNull();
  expect(await problemsOf(url, 'resolver-ttl: 5')).toEqual([
    'c.yaml:3: "resolver-ttl" requires --resolver-prefix',
  ]);
  expect(await problemsOf(url, 'resolver-prefix: /p')).toEqual([
    expect.stringContaining('must be at least 1'),
  ]);
  expect(await problemsOf('resolver-prefix: /p', 'resolver-ttl: 5')).toEqual([
    expect.stringContaining('requires --advertise-client-url'),
  ]);
});

test('needs addresses that MemberList of the other proxies can name', async () => {
  const registered = ['resolver-prefix: /p', 'resolver-ttl: 5'];
  const lines = [`${url},https://lb.example.com,lb.example.com:2379,:2379`, ...registered];
  expect(await problemsOf(...lines)).toEqual(
    ['https://lb.example.com', ':2379'].map((each) =>
      expect.stringContaining(`"advertise-client-url" contains "${each}"`),
    ),
  );
  expect(await problemsOf('advertise-client-url: https://lb.example.com')).toEqual([]);
});

test.each([
  ['t1/', '/proxies', true],
  ['t1/', 't1/proxies', false],
  ['t1/', 't1', false],
  ['proxies/t1/', 'proxies', false],
])(
  'beside the namespace %s, the prefix %s is possible: %s',
  async (namespace, prefix, isPossible) => {
    const problems = await problemsOf(
      ...[url, `namespace: ${namespace}`, `resolver-prefix: ${prefix}`, 'resolver-ttl: 5'],
    );
    expect(problems).toEqual(
      isPossible ? [] : [expect.stringContaining('is in the namespace of tenant "default"')],
    );
  },
);
