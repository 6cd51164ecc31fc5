/** What `grpc-proxy start` makes of flags, environment and file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { configureGrpcProxy } from '../../../src/cli/grpc-proxy.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('grpc-proxy');
afterAll(() => directory[Symbol.dispose]());

interface Given {
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly file?: string;
}

async function configured({ flags = [], environment = {}, file }: Given) {
  const path = join(directory.path, 'config.yaml');
  if (file !== undefined) writeFileSync(path, file);
  let problems = '';
  const remarks: string[] = [];
  const output = {
    out: () => {},
    err: (text: string) => {
      problems += text;
    },
  };
  const fileFlags = file === undefined ? [] : [`--config=${path}`];
  const args = ['--endpoints=127.0.0.1:1', ...flags, ...fileFlags];
  const result = await configureGrpcProxy({ args, environment, output }, remarks);
  expect(problems).toBe('');
  if (result.config === null) throw new Error('no configuration');
  return { config: result.config, settings: result.settings, remarks };
}

const prefixIn = (variable: string, text: string) => ({
  environment: { ETCD_BULKHEAD_RESOLVER_PREFIX: 'proxies', [variable]: text },
});
const registers = { flags: ['--resolver-prefix=proxies', '--resolver-ttl=5'] };

describe('the address that is registered', () => {
  test.each<[string, Given, string]>([
    ['the default address, as in etcd', registers, '127.0.0.1:23790'],
    [
      'the default address, if the prefix is in the environment',
      prefixIn('ETCD_BULKHEAD_RESOLVER_TTL', '5'),
      '127.0.0.1:23790',
    ],
    [
      'that of the flag',
      { flags: [...registers.flags, '--advertise-client-url=http://a:1'] },
      'http://a:1',
    ],
    [
      'that of the environment',
      { ...registers, environment: { ETCD_BULKHEAD_ADVERTISE_CLIENT_URL: 'http://b:1' } },
      'http://b:1',
    ],
    ['that of the file', { ...registers, file: 'advertise-client-url: http://c:1' }, 'http://c:1'],
  ])('is %s', async (_, given, url) => {
    const { config } = await configured(given);
    expect(config.registration).toEqual({ prefix: 'proxies', ttlSeconds: 5 });
    expect(config.advertiseClientUrls).toEqual([url]);
  });

  test('is not advertised without a registration', async () => {
    expect((await configured({})).config.advertiseClientUrls).toEqual([]);
  });
});

test.each<[string, Given]>([
  ['flags', { flags: ['--advertise-client-url='] }],
  ['environment', { environment: { ETCD_BULKHEAD_ADVERTISE_CLIENT_URL: '' } }],
])(
  'an empty address to advertise in the %s gives clients the members of etcd',
  async (_, given) => {
    expect((await configured(given)).settings['owner-methods']).toEqual(['all']);
    expect((await configured({})).settings['owner-methods']).toEqual(['all-but-members']);
  },
);

test.each<[string, Given]>([
  [
    'flags',
    {
      flags: [
        ...['--dial-keepalive-time=0', '--dial-keepalive-timeout=0s'],
        '--max-concurrent-streams=0',
      ],
      environment: { ETCD_BULKHEAD_DIAL_KEEPALIVE_TIME: '70s' },
    },
  ],
  [
    'environment',
    {
      environment: {
        ETCD_BULKHEAD_DIAL_KEEPALIVE_TIME: '5s',
        ETCD_BULKHEAD_DIAL_KEEPALIVE_TIMEOUT: '0s',
        ETCD_BULKHEAD_MAX_CONCURRENT_STREAMS: '0',
      },
    },
  ],
])('bounds of grpc-go apply to the %s', async (_, given) => {
  const { settings, remarks } = await configured(given);
  expect(settings).toMatchObject({
    ...{ 'dial-keepalive-time': 10_000, 'dial-keepalive-timeout': 5_000 },
    'max-concurrent-streams': 2 ** 32 - 1,
  });
  expect(remarks).toEqual([expect.stringContaining('--dial-keepalive-time is 10s')]);
});
