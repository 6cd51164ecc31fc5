/** Changes of a watch, put together by revision, and positions. */
import { describe, expect, test } from 'vitest';
import {
  decodePosition,
  encodePosition,
  type Position,
} from '../../../../src/cli/transfer/mirror/position.ts';
import {
  RevisionAssembler,
  readWatchResponse,
} from '../../../../src/cli/transfer/mirror/watch-response.ts';
import { encodeResponse } from '../../../support/codec.ts';

const event = (key: string, revision: number, type = 'PUT') => ({
  type,
  kv: { key: Buffer.from(key), mod_revision: String(revision), value: Buffer.from('v') },
});

const response = (events: readonly object[], isFragment = false) =>
  readWatchResponse(
    encodeResponse('etcdserverpb.Watch/Watch', {
      header: { cluster_id: '18446744073709551615', revision: '99' },
      fragment: isFragment,
      events,
    }),
  );

const shape = (revisions: ReturnType<RevisionAssembler['add']>) =>
  revisions.map(({ revision, first, isLast, changes }) => [
    revision,
    first,
    changes.length,
    isLast,
  ]);

describe('the changes of a watch', () => {
  test('are read with the header, and deletions are distinguished', () => {
    const { header, changes } = response([event('a', 5), event('b', 6, 'DELETE')]);
    expect(header).toEqual({ revision: 99, clusterId: 'f'.repeat(16) });
    expect(
      changes.map(({ isDelete, keyValue }) => [isDelete, Buffer.from(keyValue.key).toString()]),
    ).toEqual([
      [false, 'a'],
      [true, 'b'],
    ]);
    expect(() => readWatchResponse(Buffer.of(0x5a, 9, 1))).toThrow('malformed');
  });

  test('are grouped by revision', () => {
    const assembler = new RevisionAssembler();
    const complete = assembler.add(response([event('a', 5), event('b', 5), event('c', 7)]));
    expect(shape(complete)).toEqual([
      [5, 0, 2, true],
      [7, 0, 1, true],
    ]);
  });

  test('of a revision in several fragments are one group', () => {
    const assembler = new RevisionAssembler();
    expect(shape(assembler.add(response([event('a', 5), event('a', 6)], true)))).toEqual([
      [5, 0, 1, true],
    ]);
    expect(assembler.add(response([event('b', 6)], true))).toEqual([]);
    expect(shape(assembler.add(response([event('c', 6)])))).toEqual([[6, 0, 3, true]]);
  });

  test('of a very large revision are parts, of which only the last one completes it', () => {
    const assembler = new RevisionAssembler();
    const many = Array.from({ length: 5_000 }, (_, i) => event(`k${i}`, 8));
    expect(shape(assembler.add(response(many, true)))).toEqual([[8, 0, 4096, false]]);
    expect(shape(assembler.add(response(many)))).toEqual([
      [8, 4096, 4096, false],
      [8, 8192, 1808, true],
    ]);
    expect(shape(assembler.add(response([event('x', 9)])))).toEqual([[9, 0, 1, true]]);
  });
});

describe('a position', () => {
  const position: Position = {
    source: { clusterId: '0123456789abcdef', namespace: Buffer.from('a/\xff', 'latin1') },
    namespace: Buffer.from(''),
    ...{ session: 's', sequence: 3 },
    state: { at: 'copying', revision: 7, lastKey: Buffer.from([0, 255]) },
  };

  test.each<Position['state']>([
    position.state,
    { at: 'copying', revision: 1, lastKey: null },
    { at: 'following', revision: 2 ** 52, applied: 12 },
  ])('%j is the same after it was stored', (state) => {
    expect(decodePosition(encodePosition({ ...position, state }))).toEqual({ ...position, state });
  });

  test('of another version or with other content is not accepted', () => {
    const valid = JSON.parse(encodePosition(position).toString()) as object;
    for (const changed of [
      { format: 2 },
      { state: 'unknown' },
      { revision: -1 },
      { revision: '7' },
      { lastKey: 1 },
      { state: 'following', applied: null },
      { source: null },
      { session: 1 },
    ]) {
      expect(decodePosition(Buffer.from(JSON.stringify({ ...valid, ...changed })))).toBeNull();
    }
    for (const text of ['', 'null', '[]', '{', '7', 'text']) {
      expect(decodePosition(Buffer.from(text))).toBeNull();
    }
  });
});
