/**
 * What rewriting costs per message: medians over many short rounds, in one process, without I/O. Run it on an idle machine:
 *
 *   node bench/micro/wire.bench.ts
 */
import { Buffer } from 'node:buffer';
import { keySpace } from '../../src/etcd/key-space.ts';
import { applier, stripper } from '../../src/etcd/rewriters.ts';
import type { Rewriter } from '../../src/wire/rewriter.ts';
import { Writer } from '../../src/wire/writer.ts';

const space = keySpace(Buffer.from('game-1/'));
const roundsMax = 31;
const roundMs = 20;

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function measure(name: string, rewriter: Rewriter, message: Uint8Array): void {
  const nanoseconds: number[] = [];
  let perRound = 1;
  for (let round = 0; round < roundsMax; round++) {
    const start = performance.now();
    for (let i = 0; i < perRound; i++) rewriter.rewrite(message, space);
    const ms = performance.now() - start;
    if (ms < roundMs / 2) {
      perRound *= 2;
      round -= 1;
    } else nanoseconds.push((ms * 1e6) / perRound);
  }
  const ns = median(nanoseconds);
  console.log(
    `${name.padEnd(44)} ${String(message.length).padStart(9)} B ${ns.toFixed(0).padStart(10)} ns`,
  );
}

const value = Buffer.alloc(256, 7);
const key = Buffer.from('players/1234567890/inventory');
const header = new Writer()
  .varint(1, 0x1234567812345678n)
  .varint(2, 7n)
  .varint(3, 99n)
  .varint(4, 5n)
  .finish();
const storedKey = Buffer.concat([space.prefix, key]);
const keyValue = new Writer()
  .bytes(1, storedKey)
  .varint(2, 100_000)
  .varint(3, 200_000)
  .varint(4, 3)
  .bytes(5, value)
  .finish();

function range(keys: number): Uint8Array {
  const response = new Writer().message(1, header);
  for (let i = 0; i < keys; i++) response.message(2, keyValue);
  return response.varint(4, keys).finish();
}

const put = new Writer().bytes(1, key).bytes(2, value).finish();
const putLease = new Writer().bytes(1, key).bytes(2, value).varint(3, 12_345).finish();
const get = new Writer().bytes(1, key).finish();
const compare = new Writer().varint(2, 2).bytes(3, key).varint(6, 7).finish();
const txn = new Writer()
  .message(1, compare)
  .message(2, new Writer().message(2, put).finish())
  .message(3, new Writer().message(1, get).finish())
  .finish();
const event = new Writer().message(2, keyValue).finish();
const watched = new Writer().message(1, header).message(11, event).finish();

// The loop is warmed with every shape first, so that no case is measured on code that has seen one shape only.
for (let i = 0; i < 20_000; i++) {
  applier('PutRequest').rewrite(putLease, space);
  applier('TxnRequest').rewrite(txn, space);
  stripper('WatchResponse').rewrite(watched, space);
}
measure('put, 256 B', applier('PutRequest'), put);
measure('put, 256 B, with a lease', applier('PutRequest'), putLease);
measure(
  'put, 1 MB',
  applier('PutRequest'),
  new Writer().bytes(1, key).bytes(2, Buffer.alloc(1_000_000)).finish(),
);
measure('get', applier('RangeRequest'), get);
measure('compare and swap', applier('TxnRequest'), txn);
measure('range response, 1 key of 256 B', stripper('RangeResponse'), range(1));
measure('range response, 10,000 keys of 256 B', stripper('RangeResponse'), range(10_000));
measure('watch response, 1 event of 256 B', stripper('WatchResponse'), watched);
measure('put response', stripper('PutResponse'), new Writer().message(1, header).finish());
