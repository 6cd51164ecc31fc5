/** Many clients read a large range at once. etcd prepares few of the responses at the same time, and each client gets its own. */
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { encodeRequest } from '../../support/codec.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { Exposition } from '../../support/exposition.ts';
import { Sidecar } from '../../support/sidecar.ts';

const mib = 2 ** 20;
const valueBytes = 1_200_000;
const keys = 60;
const clients = 12;
/** Measured: 420 MiB in turns, 1,500 MiB with a bound that all of them fit into. */
const growthMibMax = 800;
const request = encodeRequest('etcdserverpb.KV/Range', {
  key: Buffer.from('large/'),
  range_end: Buffer.from('large0'),
});

async function etcdMib(etcd: Etcd): Promise<number> {
  const response = await fetch(`${etcd.clientUrl}/metrics`);
  return new Exposition(await response.text()).sum('process_resident_memory_bytes') / mib;
}

/** Resolves with the status and the length of the response, which is not decoded. */
function read(address: string): Promise<string> {
  const session = connect(`http://${address}`, { settings: { initialWindowSize: 16 * mib } });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/etcdserverpb.KV/Range',
    te: 'trailers',
    'content-type': 'application/grpc',
  });
  let bytes = 0;
  let code: unknown = 'none';
  const { promise, resolve } = Promise.withResolvers<string>();
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.on('trailers', (trailers) => {
    code = trailers['grpc-status'];
  });
  stream.on('error', () => {});
  stream.on('close', () => {
    session.destroy();
    resolve(`${String(code)} ${Math.floor(bytes / valueBytes)}`);
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(request.length, 1);
  stream.end(Buffer.concat([prefix, request]));
  return promise;
}

test('large reads take turns, and all are served', async () => {
  await using etcd = await startEtcd();
  using direct = grpcClient(etcd.address);
  for (let i = 0; i < keys; i++) {
    const key = Buffer.from(`game/large/${i}`);
    await direct.call('etcdserverpb.KV/Put', { key, value: Buffer.alloc(valueBytes, i) });
  }
  await using sidecar = await Sidecar.start(`--endpoints=${etcd.address}`, '--namespace=game/');
  const before = await etcdMib(etcd);
  let peak = before;
  let isOver = false;
  const follow = async () => {
    while (!isOver) {
      peak = Math.max(peak, await etcdMib(etcd));
      await sleep(50);
    }
  };
  const following = follow();
  const found = await Promise.all(Array.from({ length: clients }, () => read(sidecar.address)));
  isOver = true;
  await following;
  expect(found).toEqual(Array.from({ length: clients }, () => `0 ${keys}`));
  expect(peak - before).toBeLessThan(growthMibMax);
});
