/**
 * The cost of cached reads: of the layer for a call that passes to etcd, of a list that is built from memory, of an event, and
 * the memory of a key. Medians over many short rounds, in one process, without I/O. Run it on an idle machine:
 *
 *   node --expose-gc bench/micro/cache.bench.ts
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cache } from '../../src/cache/cache.ts';
import { cacheLimits, newCacheContext } from '../../src/cache/cache-context.ts';
import { changesOf } from '../../src/cache/change.ts';
import { Entries } from '../../src/cache/entries.ts';
import { entryOverheadBytes, readEntry } from '../../src/cache/entry.ts';
import { evaluate } from '../../src/cache/evaluate.ts';
import { readQuery } from '../../src/cache/range-query.ts';
import type { Call, Etcd, Message, OwnedMessage } from '../../src/call/call.ts';
import type { MethodName } from '../../src/etcd/methods.ts';
import { endedCall } from '../../src/grpc/call.ts';
import { ok } from '../../src/grpc/status.ts';
import { Reader } from '../../src/protobuf/reader.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Deadlines } from '../../src/runtime/deadlines.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { WatchHub } from '../../src/watch/hub/hub.ts';
import { HubStats, hubLimits } from '../../src/watch/hub/hub-context.ts';
import { callOf, testTenant } from '../../test/support/test-call.ts';
import { putRequest, rangeRequest } from '../messages.ts';
import { readMemory } from '../proc.ts';
import { heading, measure } from './measure.ts';
import { above } from './neighbours.ts';

const value = Buffer.alloc(256, 'v');
const clusterId = 0xcdf818194e3a8c32n;

function bytesOf(message: Uint8Array): Message<'tenant'> {
  return message as Message<'tenant'>;
}

// ---- Memory: before other work frees some that would be used again ----

function keyOf(index: number): string {
  return `players/${String(index).padStart(7, '0')}`;
}

/** The field `number` with a KeyValue, as in a RangeResponse (2) and in an Event (2). */
function keyValueField(index: number, revision: number): Uint8Array {
  const keyValue = new Writer()
    .bytes(1, Buffer.from(keyOf(index)))
    .varint(2, 1_000_000 + index)
    .varint(3, revision)
    .varint(4, 3)
    .bytes(5, value)
    .finish();
  return new Writer().message(2, keyValue).finish();
}

/** As the pages of a range arrive. */
function pagesOf(first: number, keys: number): readonly Uint8Array[] {
  const perPage = 3_000;
  const pages: Uint8Array[] = [];
  for (let at = first; at < first + keys; at += perPage) {
    const length = Math.min(perPage, first + keys - at);
    const fields = Array.from({ length }, (_, offset) => keyValueField(at + offset, 2_000_000));
    pages.push(Buffer.concat(fields));
  }
  return pages;
}

function fill(entries: Entries, pages: readonly Uint8Array[]): void {
  for (const page of pages) {
    const reader = new Reader(page);
    while (reader.next()) {
      const entry = readEntry(reader);
      if (entry !== null) entries.put(entry);
    }
  }
}

function residentBytes(): number {
  return readMemory(process.pid).residentMiB * 2 ** 20;
}

const { gc } = globalThis;
if (gc === undefined) console.log('the memory of a key is measured with --expose-gc');
else {
  const settle = async () => {
    for (let i = 0; i < 4; i++) {
      gc();
      await sleep(50);
    }
  };
  const keys = 100_000;
  // The first ones use memory that earlier work has freed.
  const [warmUp, measured] = [pagesOf(0, 2 * keys), pagesOf(2 * keys, keys)];
  const entries = new Entries();
  fill(entries, warmUp);
  await settle();
  const before = residentBytes();
  fill(entries, measured);
  await settle();
  const bytes = (residentBytes() - before) / keys;
  const { key, field } = entries.at(0);
  const overhead = bytes - key.length - field.length;
  heading(`memory of ${keys} further keys of 256 B`);
  console.log(`measured ${bytes.toFixed(0)} B each, counted ${entries.bytes / entries.length} B`);
  console.log(`overhead ${overhead.toFixed(0)} B, counted ${entryOverheadBytes} B`);
}

// ---- The layer ----

const response = new Writer()
  .message(
    1,
    new Writer()
      .varint(1, clusterId)
      .varint(2, clusterId)
      .varint(3, 5_000_000)
      .varint(4, 7)
      .finish(),
  )
  .finish() as OwnedMessage<'tenant'>;

/** Responds to each call at once. */
const etcd: Etcd<'tenant'> = {
  unary: (_call, _request, responses) => {
    responses.deliver(response);
    responses.end(ok);
    return endedCall;
  },
  stream: () => endedCall,
};

function measuredCall(name: MethodName, cachesReads: boolean): Call {
  return callOf(name, { tenant: testTenant('game-1', { cachesReads }) });
}

const clock = systemClock;
const hub = new WatchHub({
  ...{ clock, random: systemRandom, limits: hubLimits, stats: new HubStats(), holdMs: 0 },
  defer: (work) => work(),
  ordersProgress: () => true,
  onFault: () => {},
});
const context = newCacheContext(
  {
    clock,
    deadlines: new Deadlines(clock),
    ordersProgress: () => true,
    keysOnlyLeases: () => true,
  },
  cacheLimits,
);
const layer = cache({ context, hub, isShared: () => true })(etcd);

function layerCase(name: string, of: MethodName, request: Uint8Array, isOn: boolean): void {
  const call = measuredCall(of, isOn);
  const message = bytesOf(request);
  measure(name, request.length, () => {
    layer.unary(call, message, above);
  });
}

const put = putRequest('players/1/state', value);
const get = rangeRequest('players/1/state');

heading('a call that passes to etcd');
const direct = measuredCall('etcdserverpb.KV/Put', false);
measure('a put without the layer', put.length, () => {
  etcd.unary(direct, bytesOf(put), above);
});
layerCase('… with the layer, off', 'etcdserverpb.KV/Put', put, false);
layerCase('… with the layer, on', 'etcdserverpb.KV/Put', put, true);
layerCase('a get of one key, off', 'etcdserverpb.KV/Range', get, false);
layerCase('a get of one key, on', 'etcdserverpb.KV/Range', get, true);
layerCase(
  'a list that no client watches, on',
  'etcdserverpb.KV/Range',
  rangeRequest('a', 'b'),
  true,
);

// ---- The state ----

function eventOf(index: number, revision: number): Uint8Array {
  return new Writer().message(11, keyValueField(index, revision)).finish();
}

function filled(keys: number): Entries {
  const entries = new Entries();
  fill(entries, pagesOf(0, keys));
  return entries;
}

function list(key: string, end: string, suffix: Writer = new Writer()) {
  const query = readQuery(Buffer.concat([rangeRequest(key, end), suffix.finish()]));
  if (query === null) throw new Error('the request is malformed');
  return query;
}

for (const keys of [1_000, 100_000]) {
  const entries = filled(keys);
  heading(`${keys} keys of 256 B`);
  const all = list('players/', 'players0');
  measure('a list', keys * 256, () => {
    evaluate(entries, all);
  });
  const count = list('players/', 'players0', new Writer().bool(9, true));
  measure('a count', 0, () => {
    evaluate(entries, count);
  });
  const page = list('players/', 'players0', new Writer().varint(3, 100));
  measure('the first 100 keys', 25_600, () => {
    evaluate(entries, page);
  });
  let revision = 3_000_000;
  measure('an event that replaces a key', 256, () => {
    revision += 1;
    for (const { entry } of changesOf(eventOf(revision % keys, revision)) ?? []) {
      if (entry !== null) entries.put(entry);
    }
  });
  measure('… without the encoding of the event', 256, () => {
    revision += 1;
    eventOf(revision % keys, revision);
  });
  measure('an event that deletes a key and one that adds it', 256, () => {
    revision += 1;
    const index = revision % keys;
    const [change] = changesOf(eventOf(index, revision)) ?? [];
    entries.delete(keyOf(index));
    if (change?.entry) entries.put(change.entry);
  });
}
