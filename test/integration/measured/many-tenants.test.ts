/** Ten thousand tenants in one configuration: what they add to the time that a start takes, and to the memory. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hashPassword } from '../../../src/identity/password.ts';
import { grpcClient, refusal } from '../../support/client.ts';
import { logIn } from '../../support/configured.ts';
import { Program } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('many');
afterAll(() => directory[Symbol.dispose]());

const usersFile = join(directory.path, 'users');

interface Started {
  readonly startMs: number;
  readonly residentMb: number;
}

/** Starts the program with that many tenants, and logs in as the last one. */
async function startWith(count: number): Promise<Started> {
  const file = join(directory.path, `${count}.yaml`);
  const tenants = Array.from(
    { length: count },
    (_, i) => `  - { name: game-${i}, namespace: games/${i}/ }`,
  );
  writeFileSync(
    file,
    [
      'endpoints: 127.0.0.1:1',
      `users-file: ${usersFile}`,
      'hold: 0s',
      'tenants:',
      ...tenants,
      "listeners: [{ address: '127.0.0.1:0', identify: user }]",
    ].join('\n'),
  );
  const beginMs = performance.now();
  using program = new Program(['run', `--config=${file}`, '--admin-addr=', '--drain-window=0s']);
  const {
    addresses: [address = ''],
  } = await program.serving();
  const startMs = performance.now() - beginMs;
  const [, pid] = await program.printed('out', /"pid":(\d+)/);
  using client = grpcClient(address);
  const token = await logIn(client, `game-${count - 1}`, 'secret');
  const call = client.call(
    'etcdserverpb.KV/Range',
    { key: Buffer.from('k') },
    { metadata: { token } },
  );
  // There is no etcd; but there is a tenant.
  expect(await refusal(call)).toMatchObject({
    details: 'etcd-bulkhead: no connection to etcd, or it was lost',
  });
  const [, kilobytes] = /VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { startMs, residentMb: Number(kilobytes) / 1024 };
}

test('load within two seconds, and in a hundred megabytes', async () => {
  const hash = await hashPassword(Buffer.from('secret'));
  const lines = Array.from({ length: 10_000 }, (_, i) => `game-${i}:${hash}`);
  writeFileSync(usersFile, lines.join('\n'));
  const one = await startWith(1);
  const many = await startWith(10_000);
  expect(many.startMs - one.startMs).toBeLessThan(2_000);
  expect(many.residentMb - one.residentMb).toBeLessThan(100);
});
