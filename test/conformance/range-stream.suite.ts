/** KV.RangeStream, new in etcd 3.7: one range in several pieces, all of them of one revision. */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { isAtLeast } from '../support/etcd-release.ts';
import type { RangeRequest, RangeResponse } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { type EtcdError, etcdErrors } from './etcd-errors.ts';
import { bytes, type Keys, names, revision, useWorld, zero } from './world.ts';

/** Keys of the first piece. The ones after it grow until a piece comes near the largest request. */
const firstPieceKeys = 10;

export function rangeStreamSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  function open(request: RangeRequest) {
    const stream = world.client.stream('etcdserverpb.KV/RangeStream');
    stream.send(request);
    stream.end();
    return stream;
  }

  type RangeStream = ReturnType<typeof open>;

  async function nextPiece(stream: RangeStream): Promise<RangeResponse> {
    return (await stream.next()).range_response;
  }

  /** What comes until the piece with the header, which is the last. */
  async function rest(stream: RangeStream): Promise<RangeResponse[]> {
    const pieces: RangeResponse[] = [];
    do pieces.push(await nextPiece(stream));
    while (pieces.at(-1)?.header === null);
    await expect(stream.ended()).resolves.toMatchObject({ code: Code.OK });
    return pieces;
  }

  async function pieces(request: RangeRequest): Promise<RangeResponse[]> {
    using stream = open(request);
    return await rest(stream);
  }

  const namesOf = (answers: readonly RangeResponse[]) => answers.flatMap(({ kvs }) => names(kvs));

  async function expectEnd(request: RangeRequest, { code, details }: EtcdError): Promise<void> {
    using stream = open(request);
    await expect(stream.ended()).resolves.toMatchObject({ code, details });
  }

  if (!isAtLeast(7)) {
    test('an etcd that cannot send a range in pieces says so', async () => {
      await expectEnd(world.keys().all, {
        code: Code.UNIMPLEMENTED,
        details: 'unknown method RangeStream for service etcdserverpb.KV',
      });
    });
    return;
  }

  const numbered = (count: number) => Array.from({ length: count }, (_, i) => `${1000 + i}`);

  /** That many keys, each with itself as value, in transactions of a hundred. */
  async function fill(k: Keys, count: number, value: (name: string) => Uint8Array = bytes) {
    for (let from = 0; from < count; from += 100) {
      const some = numbered(count).slice(from, from + 100);
      await world.txn({
        success: some.map((name) => ({ request_put: { key: k(name), value: value(name) } })),
      });
    }
    return numbered(count);
  }

  test('a range comes in pieces, in order and complete, and the last one says of what it was', async () => {
    const k = world.keys();
    const written = await fill(k, 250);
    const now = await world.now();
    const answers = await pieces(k.all);
    expect(answers.length).toBeGreaterThan(2);
    expect(answers[0]?.kvs).toHaveLength(firstPieceKeys);
    expect(namesOf(answers)).toEqual(written);
    for (const piece of answers.slice(0, -1)) {
      expect(piece).toMatchObject({ header: null, more: false, count: '0' });
    }
    const last = answers.at(-1);
    expect(last).toMatchObject({ more: false, count: '250', header: { revision: String(now) } });
    expect(BigInt(last?.header?.cluster_id ?? 0)).not.toBe(0n);
    expect(BigInt(last?.header?.member_id ?? 0)).not.toBe(0n);
    expect(BigInt(last?.header?.raft_term ?? 0)).not.toBe(0n);
  });

  test('the pieces together equal the response of an ordinary range', async () => {
    const k = world.keys();
    await fill(k, 30);
    const lease = await world.grant(600);
    await world.put(k('1007'), 'changed', { lease });
    const { kvs } = await world.range(k.all);
    expect((await pieces(k.all)).flatMap((piece) => piece.kvs)).toEqual(kvs);
    expect(kvs[7]).toMatchObject({ lease, version: '2', value: bytes('changed') });
  });

  test('a range that fits into one piece is one', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    const [only, ...others] = await pieces(k.all);
    expect(names(only?.kvs ?? [])).toEqual(['a', 'b']);
    expect(only).toMatchObject({ more: false, count: '2' });
    expect(others).toEqual([]);
  });

  test('a range without keys is one piece without keys', async () => {
    const answers = await pieces(world.keys().all);
    expect(answers).toMatchObject([{ kvs: [], more: false, count: '0' }]);
  });

  test('one key, and everything from a key on', async () => {
    await world.empty();
    const k = world.keys();
    const written = await fill(k, 40);
    expect(namesOf(await pieces({ key: k('1003') }))).toEqual(['1003']);
    expect(namesOf(await pieces({ key: k('1020'), range_end: zero }))).toEqual(written.slice(20));
    expect(namesOf(await pieces({ key: zero, range_end: zero }))).toEqual(written);
  });

  test('a limit ends it early and says so, and the count stays that of the range', async () => {
    const k = world.keys();
    const written = await fill(k, 100);
    const answers = await pieces({ ...k.all, limit: 35 });
    expect(namesOf(answers)).toEqual(written.slice(0, 35));
    expect(answers.at(-1)).toMatchObject({ more: true, count: '100' });
    const exactly = await pieces({ ...k.all, limit: 100 });
    expect(exactly.at(-1)).toMatchObject({ more: false, count: '100' });
  });

  test('only the count is one piece', async () => {
    const k = world.keys();
    await fill(k, 100);
    const now = await world.now();
    const answers = await pieces({ ...k.all, count_only: true });
    expect(answers).toMatchObject([{ kvs: [], count: '100', header: { revision: String(now) } }]);
  });

  test('only the keys, without the values', async () => {
    const k = world.keys();
    const written = await fill(k, 25);
    const answers = await pieces({ ...k.all, keys_only: true });
    expect(namesOf(answers)).toEqual(written);
    expect(answers.flatMap(({ kvs }) => kvs).every(({ value }) => value.length === 0)).toBe(true);
  });

  test('every piece shows the store as it was at the first one', async () => {
    const k = world.keys();
    const written = await fill(k, 60, () => Buffer.alloc(20_000, 'x'));
    const now = await world.now();
    using stream = open(k.all);
    const first = await nextPiece(stream);
    stream.pause();
    await world.put(k('1059'), 'later');
    await world.put(k('2000'), 'later');
    await world.remove({ key: k('1058') });
    stream.resume();
    const answers = [first, ...(await rest(stream))];
    expect(namesOf(answers)).toEqual(written);
    expect(answers.flatMap(({ kvs }) => kvs).every(({ value }) => value.length === 20_000)).toBe(
      true,
    );
    expect(revision({ header: answers.at(-1)?.header ?? null })).toBe(now);
  });

  test('a range of 12 MB comes whole to a client that takes its time', async () => {
    const k = world.keys();
    for (const name of numbered(12)) await world.put(k(name), Buffer.alloc(1_000_000, name));
    using stream = open(k.all);
    const first = await nextPiece(stream);
    stream.pause();
    await expect(world.value(k('absent'))).resolves.toBeUndefined();
    stream.resume();
    const answers = [first, ...(await rest(stream))];
    expect(namesOf(answers)).toEqual(numbered(12));
    for (const { key, value } of answers.flatMap(({ kvs }) => kvs)) {
      expect(value.equals(Buffer.alloc(1_000_000, names([{ key }])[0]))).toBe(true);
    }
  });

  test('a past revision shows the store as it was', async () => {
    const k = world.keys();
    const [first = 0] = await world.fill(k, 'a', 'b', 'a');
    const answers = await pieces({ ...k.all, revision: first });
    expect(namesOf(answers)).toEqual(['a']);
    expect(answers.at(-1)?.count).toBe('1');
  });

  test('a revision that was compacted, and one that is not there yet, are refused', async () => {
    const k = world.keys();
    const [first = 0, second = 0] = await world.fill(k, 'a', 'a', 'a');
    await world.client.call('etcdserverpb.KV/Compact', { revision: second });
    await expectEnd({ ...k.all, revision: first }, etcdErrors.compacted);
    expect(namesOf(await pieces({ ...k.all, revision: second }))).toEqual(['a']);
    await expectEnd({ ...k.all, revision: second + 1000 }, etcdErrors.futureRevision);
  });

  test('sorting by key is what it does anyway, and any other order is unsupported', async () => {
    const k = world.keys();
    await world.fill(k, 'b', 'a');
    const ascending = await pieces({ ...k.all, sort_target: 'KEY', sort_order: 'ASCEND' });
    expect(namesOf(ascending)).toEqual(['a', 'b']);
    const unsupported = {
      code: Code.UNIMPLEMENTED,
      details: 'RangeStream does not support custom sort orders',
    };
    await expectEnd({ ...k.all, sort_order: 'DESCEND' }, unsupported);
    await expectEnd({ ...k.all, sort_target: 'MOD', sort_order: 'ASCEND' }, unsupported);
    await expectEnd({ ...k.all, sort_target: 9 }, etcdErrors.invalidSort);
    await expectEnd({ ...k.all, sort_order: -1 }, etcdErrors.invalidSort);
  });

  const filters: (keyof RangeRequest)[] = [
    'min_mod_revision',
    'max_mod_revision',
    'min_create_revision',
    'max_create_revision',
  ];
  for (const filter of filters) {
    test(`${filter} is unsupported`, async () => {
      await expectEnd(
        { ...world.keys().all, [filter]: 1 },
        { code: Code.UNIMPLEMENTED, details: 'RangeStream does not support revision filters' },
      );
    });
  }

  test('an empty key is refused', async () => {
    await expectEnd({}, etcdErrors.keyNotProvided);
    await expectEnd({ range_end: zero }, etcdErrors.keyNotProvided);
  });

  test('a client that leaves in the middle leaves the others alone', async () => {
    const k = world.keys();
    const written = await fill(k, 60, () => Buffer.alloc(20_000, 'x'));
    for (let round = 0; round < 5; round += 1) {
      using stream = open(k.all);
      await nextPiece(stream);
      stream.cancel();
    }
    expect(namesOf(await pieces(k.all))).toEqual(written);
  });
}
