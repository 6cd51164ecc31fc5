/**
 * The program, and in the same process a client that watches and lists the whole namespace all the time, so that the ranges that a
 * test reads are in memory. The arguments are those of the program, and --listen-addr is a socket path.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcClient } from '../support/client.ts';

const retryMs = 50;
const foreverMs = 2 ** 30;
const listEveryMs = 100;
const everything = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };

const listenAt = process.argv.indexOf('--listen-addr');
const address = process.argv[listenAt + 1]?.replace('unix://', 'unix:');
if (listenAt < 0 || address === undefined) throw new Error('--listen-addr is missing');

// The process ends with the program.
void import('../../src/main.ts');
using client = grpcClient(address);
void listAgain();
for (;;) {
  using stream = client.stream('etcdserverpb.Watch/Watch');
  stream.send({ create_request: everything });
  try {
    for (;;) await stream.next(foreverMs);
  } catch {
    // The proxy does not listen yet, or the stream has ended.
    await sleep(retryMs);
  }
}

async function listAgain(): Promise<void> {
  for (;;) {
    const list = { ...everything, serializable: true, count_only: true };
    const isListed = await client.call('etcdserverpb.KV/Range', list).then(
      () => true,
      () => false,
    );
    await sleep(isListed ? listEveryMs : retryMs);
  }
}
