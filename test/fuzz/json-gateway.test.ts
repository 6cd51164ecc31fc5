/**
 * Mutated JSON requests, read by the rules of every release. Whatever the bytes are, the result is an error or a message that an
 * independent library can parse, and no exception.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { dialectOf } from '../../src/gateway/json/dialect.ts';
import { plainString } from '../../src/gateway/json/json-strings.ts';
import { messageToJson } from '../../src/gateway/json/json-writer.ts';
import { MessageOutput } from '../../src/gateway/json/message-output.ts';
import { Definitions } from '../../src/gateway/json/message-type.ts';
import { routeOf } from '../../src/gateway/json/routes.ts';
import { ValueScanner } from '../../src/gateway/json/value-scanner.ts';
import { groups } from '../conformance/json-gateway/requests.ts';
import { methodDefinition } from '../support/codec.ts';
import { commitSeed, Seeded } from '../support/seeded.ts';

const rounds = 20_000;
const newest = 7;
const interesting = Buffer.from('{}[]":,\\u0e-+.tn \n\u00ff\u0000=_/9', 'latin1');

const recorded = Object.values(groups)
  .flat()
  .filter(
    ({ path, body }) =>
      body.length < 2_000 &&
      !body.includes('txn":{"success":[{"request_txn') &&
      routeOf(path, newest) !== null,
  );

let definitions: Definitions;

beforeAll(async () => {
  definitions = await Definitions.load();
});

function mutate(random: Seeded, body: Buffer): Buffer {
  let bytes = Buffer.from(body);
  for (let i = 1 + random.below(4); i > 0; i--) {
    const at = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + random.below(9));
    const byte = interesting.subarray(random.below(interesting.length)).subarray(0, 1);
    switch (random.below(4)) {
      case 0:
        bytes = Buffer.concat([bytes.subarray(0, at), byte, bytes.subarray(at)]);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      default:
        if (at < bytes.length) bytes[at] = byte[0] ?? 0;
    }
  }
  return bytes;
}

describe(`mutated requests (SEED=${commitSeed()})`, () => {
  test('are errors or messages', () => {
    const random = new Seeded(commitSeed());
    let messages = 0;
    for (let round = 0; round < rounds; round++) {
      const { path, body } = random.pick(recorded);
      const name = routeOf(path, newest)?.name ?? 'etcdserverpb.KV/Range';
      const bytes = mutate(random, Buffer.from(body, 'latin1'));
      const scanner = new ValueScanner();
      const end = scanner.scan(bytes, 0, bytes.length);
      if (scanner.error !== null || (end < 0 && !scanner.isComplete)) continue;
      const value = end < 0 ? bytes : bytes.subarray(0, end);
      for (const minor of [4, 5, 6]) {
        const { request } = definitions.method(name);
        const out = new MessageOutput(16);
        if (dialectOf(minor).decode(value, request, out) !== null) continue;
        const message = Buffer.from(out.take());
        messages += 1;
        methodDefinition(name).requestDeserialize(message);
        expect(messageToJson(request, message, plainString), body).not.toBeNull();
      }
    }
    expect(messages).toBeGreaterThan(rounds / 10);
  });
});
