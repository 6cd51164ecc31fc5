/**
 * The cost of rewriting per message, and of its primitives: medians over many short rounds, in one process, without I/O.
 * Run it on an idle machine:
 *
 *   node bench/micro/rewrite.bench.ts
 */
import { Buffer } from 'node:buffer';
import { keySpace } from '../../src/etcd/key-space.ts';
import { requestMessageRewriter, responseMessageRewriter } from '../../src/etcd/rewriters.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import type { RequestRewriter, ResponseRewriter } from '../../src/rewrite/rewriter.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import { heading, measure } from './measure.ts';

const space = keySpace(Buffer.from('game-1/'));

function requestCase(name: string, rewriter: RequestRewriter, message: Uint8Array): void {
  measure(name, message.length, () => {
    rewriter.rewrite(message, space);
  });
}

/** Responses are rewritten in place, so each run copies the message first. The copy is also measured alone. */
function responseCase(name: string, rewriter: ResponseRewriter, message: Uint8Array): void {
  const taken = asOwned(Buffer.from(message));
  measure(`${name}, and a copy`, message.length, () => {
    taken.set(message);
    rewriter.rewrite(taken, space);
  });
  measure('  the copy alone', message.length, () => taken.set(message));
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

function range(keys: number, of = keyValue): Uint8Array {
  const response = new Writer().message(1, header);
  for (let i = 0; i < keys; i++) response.message(2, of);
  return response.varint(4, keys).finish();
}

const leased = new Writer().raw(keyValue).raw(leaseField(6)).finish();

function leaseField(field: number): Uint8Array {
  const bytes = Buffer.alloc(10);
  bytes[0] = field << 3;
  return bytes.subarray(0, space.leases.write(bytes, 1, 12_345));
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

// Warms up with every shape, so that no case runs code that was optimized for one shape only.
for (let i = 0; i < 20_000; i++) {
  requestMessageRewriter('PutRequest').rewrite(putLease, space);
  requestMessageRewriter('TxnRequest').rewrite(txn, space);
  responseMessageRewriter('WatchResponse').rewrite(asOwned(Buffer.from(watched)), space);
}
heading('messages');
requestCase('put, 256 B', requestMessageRewriter('PutRequest'), put);
requestCase('put, 256 B, with a lease', requestMessageRewriter('PutRequest'), putLease);
const large = new Writer().bytes(1, key).bytes(2, Buffer.alloc(1_000_000)).finish();
requestCase('put, 1 MB', requestMessageRewriter('PutRequest'), large);
requestCase('get', requestMessageRewriter('RangeRequest'), get);
requestCase('compare and swap', requestMessageRewriter('TxnRequest'), txn);
responseCase('range response, 1 key of 256 B', responseMessageRewriter('RangeResponse'), range(1));
responseCase(
  'range response, 10,000 keys of 256 B',
  responseMessageRewriter('RangeResponse'),
  range(10_000),
);
responseCase(
  'range response, 10,000 keys of 256 B with a lease',
  responseMessageRewriter('RangeResponse'),
  range(10_000, leased),
);
responseCase('watch response, 1 event of 256 B', responseMessageRewriter('WatchResponse'), watched);
responseCase(
  'put response',
  responseMessageRewriter('PutResponse'),
  new Writer().message(1, header).finish(),
);

// The alternatives in plan.ts: copying pieces of a message between two buffers or within one.
for (const bytes of [16, 32, 48, 256]) {
  const pieces = 100;
  const source = Buffer.alloc(pieces * (bytes + 8));
  const target = Buffer.alloc(source.length);
  heading(`copy: ${pieces} pieces of ${bytes} B`);
  measure('set of a view', bytes, () => {
    for (let i = 0, from = 8, to = 0; i < pieces; i++, from += bytes + 8, to += bytes) {
      target.set(source.subarray(from, from + bytes), to);
    }
  });
  measure('loop', bytes, () => {
    for (let i = 0, from = 8, to = 0; i < pieces; i++, from += bytes + 8, to += bytes) {
      for (let j = 0; j < bytes; j++) target[to + j] = source[from + j] as number;
    }
  });
  heading(`move: ${pieces} pieces of ${bytes} B`);
  measure('copyWithin', bytes, () => {
    for (let i = 0, from = 8, to = 0; i < pieces; i++, from += bytes + 8, to += bytes) {
      source.copyWithin(to, from, from + bytes);
    }
  });
  measure('loop', bytes, () => {
    for (let i = 0, from = 8, to = 0; i < pieces; i++, from += bytes + 8, to += bytes) {
      for (let j = 0; j < bytes; j++) source[to + j] = source[from + j] as number;
    }
  });
}
