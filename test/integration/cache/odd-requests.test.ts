/**
 * Requests that no client library sends: fields in another order, twice, with unusual encodings or unknown, cut and changed bytes.
 * With reads from memory the responses must be the same as without, errors included.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomRange } from '../../cache/random-range.ts';
import { type GrpcClient, grpcClient, Refused } from '../../support/client.ts';
import { encodeRequest } from '../../support/codec.ts';
import { startTestProxy, type TestProxy } from '../../support/proxy.ts';
import { Seeded, seed } from '../../support/seeded.ts';
import { names } from '../../watches/watch-spec.ts';
import { CachedEtcd, everything, put } from './cached-etcd.ts';

const path = '/etcdserverpb.KV/Range';
const requests = 1_500;
const inFlight = 20;

let cached: CachedEtcd;
let plain: TestProxy;
let clients: readonly [cached: GrpcClient, plain: GrpcClient];

beforeAll(async () => {
  cached = await CachedEtcd.start();
  plain = await startTestProxy({
    endpoints: [cached.etcd.address],
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings: { 'cache-reads': false },
  });
  const client = cached.client();
  for (const [i, name] of names.entries()) await put(client, name, `${i % 40}`);
  await put(client, 'outside', 'last');
  await cached.warm(client, everything);
  clients = [client, grpcClient(plain.address('game'))];
});

afterAll(async () => {
  clients?.[1][Symbol.dispose]();
  await plain?.[Symbol.asyncDispose]();
  await cached?.[Symbol.asyncDispose]();
});

/** The bytes of the response, or the code and text of the error. */
async function outcome(client: GrpcClient, request: Buffer): Promise<string> {
  try {
    return (await client.bytes(path, request)).toString('hex');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return `${error.code} ${error.details}`;
  }
}

test('a range end that is present and empty is a single key', async () => {
  const request = Buffer.from([0x0a, 4, ...Buffer.from('a/05'), 0x12, 0, 0x38, 1]);
  const hits = await cached.hits();
  const [fromMemory, fromEtcd] = await Promise.all(
    clients.map((client) => outcome(client, request)),
  );
  expect(fromMemory).toBe(fromEtcd);
  expect(await cached.hits()).toBe(hits + 1);
});

/** The fields of an encoded request. Those of a RangeRequest have tags of one byte, and here short lengths. */
function fieldsOf(request: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at < request.length; ) {
    let end = at + 1;
    if ((request.readUInt8(at) & 7) === 2) end += 1 + request.readUInt8(end);
    else {
      while (request.readUInt8(end) > 0x7f) end += 1;
      end += 1;
    }
    fields.push(request.subarray(at, end));
    at = end;
  }
  return fields;
}

/** A varint that ends with zero bits that it does not need. */
function padded(field: Buffer): Buffer {
  if ((field.readUInt8(0) & 7) !== 0) return field;
  const last = field.length - 1;
  return Buffer.concat([
    field.subarray(0, last),
    Buffer.from([field.readUInt8(last) | 0x80, 0x80, 0]),
  ]);
}

function randomBytes(chance: Seeded, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => chance.below(256)));
}

function oddRequest(chance: Seeded): Buffer {
  const serializable = chance.chance(0.8);
  const request = { ...randomRange(chance, 100), serializable };
  const encoded = Buffer.from(encodeRequest('etcdserverpb.KV/Range', request));
  const fields = fieldsOf(encoded);
  const index = chance.below(fields.length);
  const field = fields[index] ?? encoded;
  switch (chance.below(8)) {
    case 0:
      return Buffer.concat(fields.toReversed());
    case 1:
      return Buffer.concat([...fields, chance.pick(fields)]);
    case 2:
      return Buffer.concat(fields.with(index, padded(field)));
    case 3:
      return encoded.subarray(0, chance.below(encoded.length));
    case 4: {
      const changed = Buffer.from(encoded);
      changed.writeUInt8(chance.below(256), chance.below(changed.length));
      return changed;
    }
    case 5:
      // An option with any value.
      return Buffer.concat([encoded, Buffer.from([(3 + chance.below(12)) << 3]), varint(chance)]);
    case 6:
      return Buffer.concat([encoded, randomBytes(chance, 1 + chance.below(4))]);
    default:
      return randomBytes(chance, chance.below(24));
  }
}

function varint(chance: Seeded): Buffer {
  return chance.pick([
    Buffer.from([0]),
    Buffer.from([1]),
    Buffer.from([chance.below(128)]),
    // -1, 2^32 + 1, 2^53 and 2^63.
    Buffer.from('ffffffffffffffffff01', 'hex'),
    Buffer.from('8180808010', 'hex'),
    Buffer.from('8080808080808010', 'hex'),
    Buffer.from('80808080808080808001', 'hex'),
  ]);
}

test(`1,500 odd requests have the same responses and errors as without reads from memory (SEED=${seed})`, async () => {
  const chance = new Seeded(seed);
  const hits = await cached.hits();
  const differences: string[] = [];
  for (let i = 0; i < requests; i += inFlight) {
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        const request = oddRequest(chance);
        const [fromMemory, fromEtcd] = await Promise.all(
          clients.map((client) => outcome(client, request)),
        );
        if (fromMemory === fromEtcd) return;
        differences.push(`${request.toString('hex')}: ${fromMemory}, without memory ${fromEtcd}`);
      }),
    );
  }
  expect(differences).toEqual([]);
  expect((await cached.hits()) - hits).toBeGreaterThan(requests / 10);
});
