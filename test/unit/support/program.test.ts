/** How tests wait for what a program prints. */
import { expect, test } from 'vitest';
import { Program } from '../../support/program.ts';

const serving = ['run', '--endpoints=127.0.0.1:1', '--listen-addr=127.0.0.1:0', '--admin-addr='];

test('waiting for output of a program that a signal has ended is rejected', async () => {
  using program = new Program(serving);
  program.kill('SIGKILL');
  await program.ended;
  await expect(program.printed('out', /never printed/)).rejects.toThrow(/^it ended: /);
});

test('output that a program prints before it ends is found, also afterwards', async () => {
  using program = new Program(['version']);
  const [first] = await program.printed('out', /etcd-bulkhead.*\n/);
  await program.ended;
  expect((await program.printed('out', /etcd-bulkhead.*\n/))[0]).toBe(first);
});

test('the log line of a program that serves has the addresses that it picked', async () => {
  using program = new Program(serving);
  expect(await program.serving()).toMatchObject({
    addresses: [expect.stringMatching(/^127\.0\.0\.1:[1-9]\d*$/)],
    admin: null,
  });
});
