/** A TxnRequest of the simulation that only writes. Field numbers: etcd rpc.proto. */
import { Reader } from '../../src/protobuf/reader.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import type { Operation } from './store.ts';

/** The store chooses the values. The one in the request has as many bytes as are added to it. */
export function encodeWrite(operations: readonly Operation[]): Uint8Array {
  const writer = new Writer();
  for (const { key, isDelete, padding } of operations) {
    const operation = new Writer().string(1, key);
    if (!isDelete) operation.string(2, '.'.repeat(padding));
    const field = isDelete ? 3 : 2;
    writer.message(2, new Writer().message(field, operation.finish()).finish());
  }
  return writer.finish();
}

export function decodeWrite(message: Uint8Array): readonly Operation[] {
  const operations: Operation[] = [];
  const reader = new Reader(message);
  while (reader.next()) {
    const choice = reader.message();
    if (!choice.next()) throw new Error('an operation without a request');
    const isDelete = choice.field === 3;
    const request = choice.message();
    let key = '';
    let padding = 0;
    while (request.next()) {
      if (request.field === 1) key = Buffer.from(request.bytes()).toString('latin1');
      else padding = request.bytes().length;
    }
    operations.push({ key, isDelete, padding });
  }
  return operations;
}
