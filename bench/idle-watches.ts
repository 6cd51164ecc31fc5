/**
 * A separate program: opens many connections to one address with one watch each, prints `ready` when every watch is
 * confirmed, and keeps them open until it is killed. It is separate so that the memory and the event loop of the benchmark
 * do not influence the result.
 *
 * Usage: node bench/idle-watches.ts ORIGIN CONNECTIONS KEY_PREFIX same|own
 */
import { once } from 'node:events';
import { GrpcClient } from './grpc-client.ts';
import { isWatchCreated, watchCreateRequest } from './messages.ts';

const opensAtOnceMax = 50;

async function openWatch(origin: string, key: string): Promise<void> {
  const client = new GrpcClient(origin, null);
  const stream = client.open('/etcdserverpb.Watch/Watch', watchCreateRequest(key));
  const [chunk] = await once(stream, 'data');
  if (!(chunk instanceof Uint8Array && isWatchCreated(chunk.subarray(5)))) {
    throw new Error(`the watch of ${key} was not created`);
  }
  stream.once('close', () => {
    process.stderr.write(`the watch of ${key} ended\n`);
    process.exitCode = 1;
  });
}

const [origin = '', connections = '', keyPrefix = '', keys = ''] = process.argv.slice(2);
for (let first = 0; first < Number(connections); first += opensAtOnceMax) {
  const count = Math.min(opensAtOnceMax, Number(connections) - first);
  await Promise.all(
    Array.from({ length: count }, (_, offset) =>
      openWatch(origin, `${keyPrefix}watched${keys === 'own' ? `/${first + offset}` : ''}`),
    ),
  );
}
process.stdout.write('ready\n');
