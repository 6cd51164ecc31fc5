import { describe, expect, test } from 'vitest';
import { Code, status } from '../../../src/grpc/status.ts';
import { Caller } from '../../support/caller.ts';
import { decodeResponse, encodeRequest, encodeResponse } from '../../support/codec.ts';
import { callOf, testTenant } from '../../support/test-call.ts';
import { CacheSetup, headerAt, pair, rangeMethod, watched } from './setup.ts';

const two = [pair('k/a', 90), pair('k/b', 95)];

/** With the range in memory at revision 100. */
function loaded(...args: ConstructorParameters<typeof CacheSetup>): CacheSetup {
  const setup = new CacheSetup(...args);
  setup.watch();
  setup.load(two);
  return setup;
}

describe('a range is read into memory', () => {
  test('for its second list, and the first one passes to etcd', () => {
    const setup = new CacheSetup();
    setup.watch();
    setup.takeCalls();
    const first = setup.read();
    const [passed] = setup.takeCalls();
    passed?.respond(encodeResponse(rangeMethod, { header: headerAt(100), count: '0' }));
    expect(first.result).toBe(' (0) at 100');
    const second = setup.read();
    const [page, fence] = setup.takeCalls();
    setup.respond(page, 101, two);
    expect(second.result).toBeNull();
    setup.respond(fence, 101);
    expect(second.result).toBe('k/a=v90 k/b=v95 (2) at 101');
    expect(second.caller.isOk).toBe(true);
    expect(setup.misses).toEqual({ first: 1 });
    expect(setup.context.stats.linearizableHits).toBe(1);
  });

  test('in pages at one revision, and events that arrive meanwhile are applied after it', () => {
    const setup = new CacheSetup({ firstPageKeys: 1, pageBytes: 1 });
    setup.watch();
    setup.takeCalls();
    setup.read().handle.cancel();
    setup.takeCalls();
    const read = setup.read({ serializable: true });
    const [first] = setup.takeCalls();
    setup.events(101, pair('k/a', 101, 'before the page'));
    setup.events(102, pair('k/c', 102));
    setup.respond(first, 101, [pair('k/a', 101, 'of the page')], true);
    setup.events(103, 'k/b');
    const [second] = setup.takeCalls();
    setup.respond(second, 101, [pair('k/b', 95)]);
    expect(read.result).toBe('k/a=of the page k/c=v102 (2) at 103');
  });

  test('not if no client watches it, and not for a range that is larger than the watched one', () => {
    const setup = new CacheSetup();
    setup.read();
    setup.watch();
    setup.read({ key: Buffer.from('k'), range_end: Buffer.from('l') });
    expect(setup.misses).toEqual({ unwatched: 2 });
  });

  test('and serves every range and key inside it', () => {
    const setup = loaded();
    const options = { serializable: true, range_end: Buffer.from('') };
    expect(setup.read({ ...options, key: Buffer.from('k/b') }).result).toBe('k/b=v95 (1) at 100');
    expect(setup.read({ ...options, key: Buffer.from('k/x') }).result).toBe(' (0) at 100');
    const inside = { key: Buffer.from('k/aa'), range_end: Buffer.from('k/c'), serializable: true };
    expect(setup.read(inside).result).toBe('k/b=v95 (1) at 100');
    expect(setup.takeCalls()).toEqual([]);
  });

  test('that could not be read is read again later, and its reads pass to etcd', () => {
    const setup = new CacheSetup({ retryMs: 1_000 });
    setup.watch();
    setup.read().handle.cancel();
    setup.takeCalls();
    const read = setup.read({ serializable: true });
    const [page] = setup.takeCalls();
    page?.fail(Code.UNAVAILABLE, 'etcdserver: request timed out');
    const [passed] = setup.takeCalls();
    setup.respond(passed, 100, two);
    expect(read.result).toContain('(2) at 100');
    setup.read({ serializable: true });
    expect(setup.misses).toEqual({ first: 1, dropped: 2 });
    setup.clock.advance(1_000);
    setup.takeCalls();
    setup.read({ serializable: true });
    expect(setup.takeCalls()).toHaveLength(1);
    expect(setup.context.stats.loads).toBe(2);
  });

  test('not at a revision before the position of its feed: the cluster was restored', () => {
    const setup = new CacheSetup();
    setup.watch();
    setup.read().handle.cancel();
    setup.events(105, pair('k/a', 105));
    setup.takeCalls();
    setup.read({ serializable: true });
    const [page] = setup.takeCalls();
    setup.respond(page, 104, two);
    expect(setup.misses).toEqual({ first: 1, dropped: 1 });
    expect(setup.context.stats.ranges).toBe(0);
  });
});

describe('a linearizable read', () => {
  test('waits for a revision that etcd is asked for after the read has arrived, which many reads share', () => {
    const setup = loaded();
    const first = setup.read();
    const [fence] = setup.takeCalls();
    const later = [setup.read(), setup.read()];
    expect(setup.takeCalls()).toEqual([]);
    setup.respond(fence, 100);
    expect(first.result).toBe('k/a=v90 k/b=v95 (2) at 100');
    expect(later.map(({ result }) => result)).toEqual([null, null]);
    const [next] = setup.takeCalls();
    setup.respond(next, 100);
    for (const { result } of later) expect(result).toBe('k/a=v90 k/b=v95 (2) at 100');
  });

  test('waits until the events up to the revision have arrived', () => {
    const setup = loaded();
    const read = setup.read();
    const [fence] = setup.takeCalls();
    setup.respond(fence, 102);
    setup.events(101, pair('k/a', 101));
    expect(read.result).toBeNull();
    setup.events(103, 'k/b');
    expect(read.result).toBe('k/a=v101 (1) at 103');
  });

  test('asks for the position of the watch, and repeats that until it is there', () => {
    const setup = loaded();
    const read = setup.read();
    const [fence] = setup.takeCalls();
    setup.respond(fence, 102);
    expect(setup.progressRequests).toBe(1);
    setup.progress(101);
    expect(read.result).toBeNull();
    setup.clock.advance(100);
    expect(setup.progressRequests).toBe(2);
    setup.progress(102);
    expect(read.result).toBe('k/a=v90 k/b=v95 (2) at 102');
  });

  test('asks for the position of a later revision without delay, whenever it last asked', () => {
    const setup = loaded();
    for (const [index, revision] of [102, 103, 104].entries()) {
      const read = setup.read();
      const [fence] = setup.takeCalls();
      setup.respond(fence, revision);
      expect(setup.progressRequests).toBe(index + 1);
      setup.progress(revision);
      expect(read.result).toContain(`at ${revision}`);
    }
    setup.clock.advance(1_000);
    expect(setup.progressRequests).toBe(3);
  });

  test('soon asks again if the member of the watch lags behind', () => {
    const setup = loaded();
    const read = setup.read();
    const [fence] = setup.takeCalls();
    setup.respond(fence, 102);
    setup.progress(101);
    setup.clock.advance(5);
    expect(setup.progressRequests).toBe(2);
    setup.progress(102);
    expect(read.result).toContain('at 102');
  });

  test('asks once for all reads that wait for a revision', () => {
    const setup = loaded();
    setup.read();
    const [fence] = setup.takeCalls();
    const reads = [setup.read(), setup.read(), setup.read()];
    setup.respond(fence, 100);
    const [next] = setup.takeCalls();
    setup.respond(next, 102);
    setup.progress(102);
    expect(setup.progressRequests).toBe(1);
    for (const { result } of reads) expect(result).toContain('at 102');
  });

  test('does not rely on the position that a release without ordered progress reports', () => {
    const setup = loaded();
    setup.ordersProgress = false;
    const read = setup.read();
    const [fence] = setup.takeCalls();
    setup.respond(fence, 102);
    setup.progress(102);
    setup.clock.advance(30);
    expect(read.result).toBeNull();
    setup.clock.advance(100);
    const [passed] = setup.takeCalls();
    setup.respond(passed, 102, two);
    expect(read.result).toContain('at 102');
    expect(setup.misses).toEqual({ first: 1, late: 1 });
  });

  test('waits for its revision and its range as long with a release without ordered progress', () => {
    const setup = new CacheSetup();
    setup.ordersProgress = false;
    setup.watch();
    setup.takeCalls();
    setup.read();
    const [first] = setup.takeCalls();
    setup.respond(first, 100, two);
    const read = setup.read();
    const [page, fence] = setup.takeCalls();
    setup.clock.advance(300);
    setup.respond(fence, 100);
    setup.clock.advance(300);
    setup.respond(page, 100, two);
    expect(read.result).toBe('k/a=v90 k/b=v95 (2) at 100');
    expect(setup.misses).toEqual({ first: 1 });
  });

  test('does not wait long for an event after its range was read, with such a release', () => {
    const setup = new CacheSetup();
    setup.ordersProgress = false;
    setup.watch();
    setup.takeCalls();
    setup.read();
    const [first] = setup.takeCalls();
    setup.respond(first, 100, two);
    setup.read();
    const [page, fence] = setup.takeCalls();
    setup.respond(fence, 102);
    setup.clock.advance(300);
    setup.respond(page, 101, two);
    setup.clock.advance(100);
    expect(setup.takeCalls()).toHaveLength(1);
    expect(setup.misses).toEqual({ first: 1, late: 1 });
  });

  test('passes at once if its range does not change, with such a release', () => {
    const setup = loaded();
    setup.ordersProgress = false;
    setup.events(101, pair('k/a', 101));
    const waiting = setup.read();
    setup.respond(setup.takeCalls()[0], 102);
    expect(setup.takeCalls()).toEqual([]);
    setup.events(102, pair('k/a', 102));
    expect(waiting.result).toContain('at 102');
    setup.clock.advance(1_001);
    setup.read();
    setup.respond(setup.takeCalls()[0], 103);
    expect(setup.takeCalls()).toHaveLength(1);
    expect(setup.misses).toEqual({ first: 1, late: 1 });
  });

  test('passes to etcd if the revision or the events do not arrive in time', () => {
    const setup = loaded({ waitMsMax: 1_000 });
    const read = setup.read();
    setup.clock.advance(1_100);
    const [fence, passed] = setup.takeCalls();
    setup.respond(passed, 100, two);
    expect(read.caller.isOk).toBe(true);
    setup.respond(fence, 100);
    expect(setup.misses).toEqual({ first: 1, late: 1 });
  });

  test('passes to etcd if etcd cannot report its revision', () => {
    const setup = loaded();
    const read = setup.read();
    const [fence] = setup.takeCalls();
    fence?.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    const [passed] = setup.takeCalls();
    passed?.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    expect(read.caller.text).toBe('etcdserver: no leader');
    expect(setup.misses).toEqual({ first: 1, fence: 1 });
  });

  test('that arrived while the range was being read asks for the position afterwards', () => {
    const setup = new CacheSetup();
    setup.watch();
    setup.read().handle.cancel();
    setup.takeCalls();
    const read = setup.read();
    const [page, fence] = setup.takeCalls();
    setup.respond(fence, 102);
    setup.respond(page, 101, two);
    expect(setup.progressRequests).toBe(1);
    setup.progress(102);
    expect(read.result).toBe('k/a=v90 k/b=v95 (2) at 102');
  });

  test('of one key passes to etcd', () => {
    const setup = loaded();
    setup.read({ key: Buffer.from('k/a'), range_end: Buffer.from('') });
    expect(setup.takeCalls()).toHaveLength(1);
    expect(setup.misses).toEqual({ first: 1, 'single-key': 1 });
  });

  test('drops the range if etcd reports an older revision than before: the cluster was restored', () => {
    const setup = loaded();
    const read = setup.read();
    const [fence] = setup.takeCalls();
    setup.respond(fence, 60);
    const [passed] = setup.takeCalls();
    setup.respond(passed, 60, []);
    expect(read.result).toBe(' (0) at 60');
    expect(setup.context.stats.ranges).toBe(0);
  });

  test('that its client cancels while it passes to etcd is cancelled there', () => {
    const setup = loaded();
    const read = setup.read();
    const [fence] = setup.takeCalls();
    setup.etcd.onCall = () => read.handle.cancel();
    fence?.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    const [passed] = setup.takeCalls();
    expect(passed?.isCancelled).toBe(true);
  });

  test('that its client cancels while it waits has no effect later', () => {
    const setup = loaded();
    const read = setup.read();
    const [fence] = setup.takeCalls();
    read.handle.cancel();
    setup.respond(fence, 100);
    setup.clock.advance(5_000);
    expect(read.caller.messages).toEqual([]);
    expect(setup.takeCalls()).toEqual([]);
  });
});

describe('a serializable read', () => {
  test('is served at once, and equal ones share the bytes until the range changes', () => {
    const setup = loaded();
    const reads = [1, 2].map(() => setup.read({ serializable: true }));
    expect(reads[0]?.result).toBe('k/a=v90 k/b=v95 (2) at 100');
    expect(reads[1]?.caller.sharedTails[0]).toBe(reads[0]?.caller.sharedTails[0]);
    setup.events(101, pair('k/a', 101));
    expect(setup.read({ serializable: true }).result).toBe('k/a=v101 k/b=v95 (2) at 101');
    expect(setup.context.stats.sharedResponses).toBe(1);
  });

  test('is not older than what its connection has seen in any response', () => {
    const setup = loaded();
    const { peer } = callOf(rangeMethod, { tenant: setup.tenant });
    const put = new Caller();
    const putCall = callOf('etcdserverpb.KV/Put', { tenant: setup.tenant, peer });
    const request = encodeRequest('etcdserverpb.KV/Put', { key: Buffer.from('k/a') });
    setup.layer.unary(putCall, request, put);
    const [stored] = setup.takeCalls();
    stored?.respond(encodeResponse('etcdserverpb.KV/Put', { header: headerAt(101) }));
    const own = setup.read({ serializable: true }, { peer });
    const other = setup.read({ serializable: true });
    expect(own.result).toBeNull();
    expect(other.result).toBe('k/a=v90 k/b=v95 (2) at 100');
    setup.events(101, pair('k/a', 101));
    expect(own.result).toBe('k/a=v101 k/b=v95 (2) at 101');
  });

  test('of one key does not read its range into memory', () => {
    const setup = new CacheSetup();
    setup.watch();
    const one = { key: Buffer.from('k/a'), range_end: Buffer.from(''), serializable: true };
    for (let i = 0; i < 3; i++) setup.read(one);
    expect(setup.misses).toEqual({ 'single-key': 3 });
  });

  test('passes to etcd if its connection requires a leader, which only etcd can know', () => {
    const setup = loaded();
    setup.read({ serializable: true }, { metadata: ['hasleader', 'true'] });
    expect(setup.misses).toEqual({ first: 1, unusual: 1 });
  });

  test('of keys only has the leases that the release of etcd returns, and passes while members differ', () => {
    const setup = new CacheSetup();
    setup.watch();
    setup.load([{ ...pair('k/a', 90), lease: '7' } as never]);
    const leases = (more: object = {}) => {
      const { caller } = setup.read({ serializable: true, keys_only: true, ...more });
      return caller.messages.flatMap((message) =>
        decodeResponse(rangeMethod, message).kvs.map(({ value, lease }) => `${value}${lease}`),
      );
    };
    expect(leases()).toEqual(['7']);
    setup.keysOnlyLeases = null;
    expect(leases()).toEqual([]);
    expect(setup.misses).toEqual({ first: 1, unusual: 1 });
    expect(leases({ sort_target: 'VALUE' })).toEqual(['7']);
    setup.keysOnlyLeases = false;
    expect(leases()).toEqual(['0']);
    setup.events(101, { ...pair('k/a', 101), lease: '8' } as never);
    expect(leases()).toEqual(['0']);
    expect(leases({ sort_target: 'VALUE' })).toEqual(['8']);
  });

  test('shares its bytes, however many bytes of earlier responses have not been collected', () => {
    const setup = loaded({ responseBytesMax: 4_000 });
    for (let revision = 101; setup.context.responseMemory.bytes < 3_000; revision++) {
      setup.events(revision, pair('k/a', revision));
      setup.read({ serializable: true });
    }
    const reads = [setup.read({ serializable: true }), setup.read({ serializable: true })];
    const [one, other] = reads.map(({ caller }) => caller.sharedTails[0]);
    expect(one).toBeDefined();
    expect(other).toBe(one);
  });

  test('is kept only in half of the memory of responses', () => {
    const setup = loaded({ responseBytesMax: 4_000 });
    const { responseMemory } = setup.context;
    for (let limit = 1; limit < 10; limit++) setup.read({ serializable: true, limit });
    expect(responseMemory.keptBytes).toBe(responseMemory.bytes);
    setup.events(101, pair('k/a', 101, 'v'.repeat(1_900)));
    expect(responseMemory.keptBytes).toBe(0);
    setup.read({ serializable: true });
    setup.events(102, pair('k/b', 102, 'v'.repeat(200)));
    expect(setup.read({ serializable: true }).result).toContain('at 102');
    expect(responseMemory.keptBytes).toBe(0);
  });
});

describe('what passes to etcd', () => {
  test.each([
    ['an old revision', { revision: 90 }, 'old-revision'],
    ['an empty key', { key: Buffer.from('') }, 'unusual'],
    ['an unknown order', { sort_order: 7 }, 'unusual'],
    ['an unknown target', { sort_target: 7 }, 'unusual'],
    ['a negative limit', { limit: -1 }, 'unusual'],
    [
      'an order that etcd does not determine',
      { sort_target: 'VERSION', serializable: true },
      'order',
    ],
  ] as const)('%s', (_name, request, reason) => {
    const setup = loaded();
    setup.read(request);
    expect(setup.takeCalls()).toHaveLength(1);
    expect(setup.misses).toEqual({ first: 1, [reason]: 1 });
  });

  test('reads of clients with credentials of their own', () => {
    const setup = loaded();
    setup.read({ serializable: true }, { listener: 'passing' });
    expect(setup.misses).toEqual({ first: 1, credentials: 1 });
  });

  test('every read of a tenant without cache-reads, without a count', () => {
    const setup = new CacheSetup({}, { cachesReads: false });
    setup.watch();
    setup.takeCalls();
    for (let i = 0; i < 3; i++) setup.read({ serializable: true });
    expect(setup.takeCalls()).toHaveLength(3);
    expect(setup.misses).toEqual({});
  });

  test('reads of another tenant with equal keys', () => {
    const setup = loaded();
    const tenant = testTenant('game-2', { cachesReads: true });
    setup.read({ serializable: true }, { tenant });
    expect(setup.misses).toEqual({ first: 1, unwatched: 1 });
  });

  test('a read whose client does not read', () => {
    const setup = loaded();
    const read = setup.read();
    read.handle.pauseResponses();
    const [fence] = setup.takeCalls();
    setup.respond(fence, 100);
    expect(setup.takeCalls()).toHaveLength(1);
    expect(setup.misses).toEqual({ first: 1, 'slow-client': 1 });
  });

  test('reads of further ranges when as many as permitted are in memory', () => {
    const setup = loaded({ rangesMax: 1 });
    setup.watch({ key: Buffer.from('m/'), range_end: Buffer.from('m0') });
    const other = { key: Buffer.from('m/'), range_end: Buffer.from('m0'), serializable: true };
    setup.read(other);
    setup.read(other);
    expect(setup.misses).toEqual({ first: 2, ranges: 1 });
  });

  test('reads while too many bytes of earlier responses wait for clients', () => {
    const setup = loaded({ responseBytesMax: 1 });
    setup.read({ serializable: true });
    setup.read({ serializable: true });
    expect(setup.misses).toEqual({ first: 1, 'response-memory': 1 });
  });
});

describe('a range leaves the memory', () => {
  test('with its watch at etcd, and waiting reads pass', () => {
    const setup = loaded();
    const read = setup.read();
    setup.respond(setup.takeCalls()[0], 105);
    setup.feed?.end(status(Code.UNAVAILABLE, 'lost', 'lost'));
    const passed = setup.takeCalls().find(({ call }) => call.method.path.endsWith('/Range'));
    setup.respond(passed, 105, two);
    expect(read.result).toContain('at 105');
    expect(setup.context.memory.bytes).toBe(0);
    expect(setup.misses).toEqual({ first: 1, dropped: 1 });
  });

  test('when no read has used it for a while', () => {
    const setup = loaded({ idleMs: 60_000 });
    setup.clock.advance(59_000);
    setup.read({ serializable: true });
    setup.clock.advance(59_000);
    expect(setup.context.stats.ranges).toBe(1);
    setup.clock.advance(2_000);
    expect(setup.context.stats.ranges).toBe(0);
    expect(setup.context.memory.bytes).toBe(0);
  });

  test('when its last watcher has left and its feed closes', () => {
    const setup = loaded();
    setup.unwatch();
    setup.clock.advance(15_000);
    expect(setup.context.stats.ranges).toBe(0);
  });

  test('at the bound of its bytes, for a while', () => {
    const setup = loaded({ rangeBytesMax: 2_000, fullMs: 60_000 });
    expect(setup.context.memory.bytes).toBeGreaterThan(0);
    setup.events(101, pair('k/c', 101, 'x'.repeat(2_000)));
    expect(setup.context.memory.bytes).toBe(0);
    setup.read({ serializable: true });
    setup.clock.advance(30_000);
    setup.read({ serializable: true });
    expect(setup.misses).toEqual({ first: 1, dropped: 2 });
    setup.clock.advance(31_000);
    setup.takeCalls();
    setup.read({ serializable: true });
    setup.read({ serializable: true });
    expect(setup.context.stats.loads).toBe(2);
  });

  test('while it is being read, if its pages exceed the bound', () => {
    const setup = new CacheSetup({ rangeBytesMax: 1_000 });
    setup.watch();
    setup.read().handle.cancel();
    setup.takeCalls();
    setup.read({ serializable: true });
    const [page] = setup.takeCalls();
    setup.respond(page, 100, [pair('k/a', 90, 'x'.repeat(1_000))]);
    expect(setup.misses).toEqual({ first: 1, dropped: 1 });
    expect(setup.context.memory.bytes).toBe(0);
  });
});

test('events that delete, replace and add keys change what reads return', () => {
  const setup = loaded();
  setup.events(101, pair('k/a', 101), 'k/b', pair('k/0', 101));
  setup.events(102, 'k/x', pair('k/z', 102));
  const read = setup.read({ serializable: true });
  expect(read.result).toBe('k/0=v101 k/a=v101 k/z=v102 (3) at 102');
});

test('a malformed event drops the range', () => {
  const setup = loaded();
  const event = {
    type: 'PUT',
    kv: { mod_revision: '101', version: '-1', key: Buffer.from('k/a') },
  };
  setup.feed?.deliver(
    encodeResponse('etcdserverpb.Watch/Watch', {
      header: headerAt(101),
      watch_id: '1',
      events: [event],
    }),
  );
  expect(setup.context.stats.ranges).toBe(0);
});

test('a watch with previous values and one that requires a leader have feeds that serve reads, too', () => {
  const setup = new CacheSetup();
  setup.watch({ ...watched, prev_kv: true });
  setup.load(two);
  expect(setup.read({ serializable: true }).result).toBe('k/a=v90 k/b=v95 (2) at 100');
});
