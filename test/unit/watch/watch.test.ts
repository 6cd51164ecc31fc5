import { describe, expect, test } from 'vitest';
import { Code, ok } from '../../../src/grpc/status.ts';
import { watchLimits } from '../../../src/watch/stream/watch-limits.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';
import { unsharedWatch } from '../../support/watch-hub.ts';
import { duplicate, header, WatchSetup, watchMethod } from './setup.ts';

describe('watch IDs on one stream', () => {
  test('count from 0 when the client leaves the choice to the server', () => {
    const stream = new WatchSetup();
    for (const id of [0, 1, 2]) {
      stream.create();
      stream.created(id);
    }
    expect(stream.sentIds).toEqual(['0', '1', '2']);
    expect(stream.told).toEqual(['created 0', 'created 1', 'created 2']);
  });

  test('skip those that the client chose, and choosing does not move the count', () => {
    const stream = new WatchSetup();
    for (const chosen of [1, 7, 0, 0, 0]) stream.create({ watch_id: chosen });
    expect(stream.sentIds).toEqual(['1', '7', '0', '2', '3']);
  });

  test('never come back by themselves after a cancel, and can be chosen again', () => {
    const stream = new WatchSetup();
    stream.create();
    stream.create();
    stream.cancel(1);
    stream.create();
    stream.create({ watch_id: 1 });
    expect(stream.sentIds).toEqual(['0', '1', '2', '1']);
  });

  test('may be any int64', () => {
    const stream = new WatchSetup();
    for (const id of ['-1', '9223372036854775807', '9223372036854775806']) {
      stream.create({ watch_id: id });
    }
    expect(stream.sentIds).toEqual(['-1', '9223372036854775807', '9223372036854775806']);
  });

  test('are sent with everything else that the create says', () => {
    const stream = new WatchSetup();
    stream.create();
    const create = {
      key: Buffer.from('k'),
      range_end: Buffer.from('l'),
      start_revision: '7',
      progress_notify: true,
      filters: ['NOPUT', 'NODELETE'] as const,
      prev_kv: true,
      fragment: true,
    };
    stream.create(create);
    expect(stream.sent[1]?.create_request).toEqual({ ...create, watch_id: '1' });
  });

  test('a create that names its ID reaches etcd as the same bytes', () => {
    const stream = new WatchSetup();
    const request = Uint8Array.of(0x0a, 5, 0x0a, 1, 0x61, 0x38, 9);
    stream.requests.send(request);
    expect(stream.below.request).toBe(request);
  });

  test('a field of a later etcd survives in the create and beside it', () => {
    const stream = new WatchSetup();
    stream.create();
    // Field 15 of the create and field 14 of the request, which no version so far has.
    stream.requests.send(Uint8Array.of(0x72, 1, 9, 0x0a, 5, 0x0a, 1, 0x61, 0x78, 1, 0x72, 1, 8));
    expect([...stream.below.request]).toEqual([
      0x72, 1, 9, 0x0a, 7, 0x0a, 1, 0x61, 0x78, 1, 0x38, 1, 0x72, 1, 8,
    ]);
  });

  test('one that is in use is rejected by etcd with its own text, and stays in use', () => {
    const stream = new WatchSetup();
    stream.create({ watch_id: 5 });
    stream.created(5);
    stream.create({ watch_id: 5 });
    stream.refused(duplicate);
    stream.cancel(5);
    expect(stream.sent.at(-1)?.cancel_request?.watch_id).toBe('5');
    expect(stream.told).toEqual(['created 5', `refused: ${duplicate}`]);
  });

  test('an empty range costs no ID', () => {
    const stream = new WatchSetup();
    stream.create({ key: Buffer.from('b'), range_end: Buffer.from('a') });
    stream.create();
    stream.create({ key: Buffer.from('b'), range_end: Buffer.from('b') });
    stream.create();
    expect(stream.sentIds).toEqual(['0', '0', '0', '1']);
    stream.refused('mvcc: watcher range is empty');
    stream.created(0);
    expect(stream.told).toEqual(['refused: mvcc: watcher range is empty', 'created 0']);
  });

  test('a create that etcd rejects releases its ID', () => {
    const stream = new WatchSetup();
    stream.create();
    stream.refused();
    stream.create();
    stream.created(0);
    stream.create({ watch_id: 1 });
    stream.created(1);
    stream.create();
    stream.refused();
    stream.cancel(1);
    stream.create();
    // etcd's count had not moved: 1 is free again and the next.
    expect(stream.sentIds).toEqual(['0', '0', '1', '2', '1']);
  });

  test('a rejection does not release an ID that another watcher holds by then', () => {
    const stream = new WatchSetup();
    stream.create({ watch_id: 1 });
    stream.cancel(1);
    stream.create({ watch_id: 1 });
    stream.refused();
    stream.create();
    stream.create();
    expect(stream.sentIds).toEqual(['1', '1', '0', '2']);
  });

  test("the ID in etcd's response takes precedence", () => {
    const stream = new WatchSetup();
    stream.create({ watch_id: 5 });
    stream.created(0);
    stream.create();
    expect(stream.sentIds).toEqual(['5', '1']);
  });
});

describe('a watch below what the tenant has compacted', () => {
  test('is created and ended at once, as etcd ends it', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create({ start_revision: 49 });
    expect(stream.below.requests).toEqual([]);
    expect(stream.answers).toEqual([
      {
        header: { ...header, revision: '90' },
        watch_id: '0',
        created: true,
        canceled: false,
        compact_revision: '0',
        cancel_reason: '',
        fragment: false,
        events: [],
      },
      {
        header: { ...header, revision: '0' },
        watch_id: '0',
        created: false,
        canceled: true,
        compact_revision: '50',
        cancel_reason: '',
        fragment: false,
        events: [],
      },
    ]);
  });

  test.each([50, 51, 0, -1])('a start at revision %i is left to etcd', (start) => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create({ start_revision: start });
    expect(stream.sent).toHaveLength(1);
    expect(stream.heard.messages).toEqual([]);
  });

  test('shows the newest header of the stream', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create();
    stream.created(0);
    stream.respond({
      header: { ...header, revision: '123' },
      events: [{ kv: { key: Buffer.from('k') } }],
    });
    stream.create({ start_revision: 1 });
    expect(stream.answers[2]?.header).toEqual({ ...header, revision: '123' });
    expect(stream.answers[3]?.header).toEqual({ ...header, revision: '0' });
  });

  test('keeps its ID until the client cancels it', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create({ watch_id: 5, start_revision: 1 });
    stream.create({ watch_id: 5 });
    stream.cancel(5);
    stream.cancel(5);
    stream.create({ watch_id: 5 });
    stream.created(5);
    expect(stream.told).toEqual([
      'created 5',
      'compacted 5 at 50',
      `refused: ${duplicate}`,
      'canceled 5',
      'created 5',
    ]);
    expect(stream.sent.map((r) => Object.keys(r).find((key) => key.endsWith('_request')))).toEqual([
      'cancel_request',
      'create_request',
    ]);
  });

  test('an empty range on its ID is empty first and a duplicate second', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create({ watch_id: 5, start_revision: 1 });
    const empty = { key: Buffer.from('b'), range_end: Buffer.from('a') };
    stream.create({ watch_id: 5, start_revision: 1, ...empty });
    stream.refused('mvcc: watcher range is empty');
    expect(stream.told.at(-1)).toBe('refused: mvcc: watcher range is empty');
  });

  test('takes the ID 0 away from etcd, which then never has to allocate one', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create({ start_revision: 1 });
    stream.cancel(0);
    stream.create();
    stream.create();
    expect(stream.sentIds).toEqual(['1', '2']);
  });

  test('does not touch a watcher that runs already', () => {
    const stream = new WatchSetup();
    stream.create({ start_revision: 5 });
    stream.created(0);
    stream.compact(50);
    stream.respond({ events: [{ kv: { key: Buffer.from('k'), mod_revision: 6 } }] });
    expect(stream.told).toEqual(['created 0', 'events of 0']);
  });
});

describe('the order of responses', () => {
  test("the proxy's responses wait for etcd's to earlier creates", () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create();
    stream.create({ start_revision: 1 });
    stream.create();
    stream.cancel(1);
    expect(stream.told).toEqual([]);
    stream.created(0);
    expect(stream.told).toEqual(['created 0', 'created 1', 'compacted 1 at 50']);
    stream.created(2);
    expect(stream.told.slice(3)).toEqual(['created 2', 'canceled 1']);
  });

  test('events of running watchers overtake them', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create();
    stream.created(0);
    stream.create();
    stream.create({ start_revision: 1 });
    stream.respond({ events: [{ kv: { key: Buffer.from('k') } }] });
    stream.created(1);
    expect(stream.told.slice(1)).toEqual([
      'events of 0',
      'created 1',
      'created 2',
      'compacted 2 at 50',
    ]);
  });

  test('a paused client gets them when it resumes', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.requests.pauseResponses();
    stream.create({ start_revision: 1 });
    expect(stream.told).toEqual([]);
    stream.heard.onMessage = () => {
      stream.heard.onMessage = null;
      stream.requests.pauseResponses();
    };
    stream.requests.resumeResponses();
    expect(stream.told).toEqual(['created 0']);
    expect(stream.below.isPaused).toBe(true);
    stream.requests.resumeResponses();
    expect(stream.told).toEqual(['created 0', 'compacted 0 at 50']);
    expect(stream.below.isPaused).toBe(false);
  });

  test('is kept for a paused client, too, when etcd responds to a later create', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.requests.pauseResponses();
    stream.create({ start_revision: 1 });
    stream.create();
    stream.created(1);
    expect(stream.told).toEqual(['created 0', 'compacted 0 at 50', 'created 1']);
  });

  test('is kept when etcd responds before the create has returned, and the client creates again at once', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.below.send = () => stream.created(0);
    stream.heard.onMessage = () => {
      stream.heard.onMessage = null;
      stream.create({ start_revision: 1 });
    };
    stream.create();
    expect(stream.told).toEqual(['created 0', 'created 1', 'compacted 1 at 50']);
  });
});

describe('everything else on a watch stream', () => {
  test('passes through as the same bytes', () => {
    const stream = new WatchSetup();
    for (const request of [Uint8Array.of(0x1a, 0), Uint8Array.of(), Uint8Array.of(0x72, 1, 9)]) {
      stream.requests.send(request);
      expect(stream.below.request).toBe(request);
    }
    stream.cancel(99);
    expect(stream.sent.at(-1)?.cancel_request?.watch_id).toBe('99');
    stream.respond({ watch_id: 3, events: [{ kv: { key: Buffer.from('k') } }], fragment: true });
    stream.respond({ watch_id: -1 });
    stream.respond({ watch_id: 3, canceled: true, compact_revision: 9 });
    expect(stream.told).toEqual(['events of 3', 'progress of -1', 'compacted 3 at 9']);
    const garbage = Uint8Array.of(0xff);
    stream.below.deliver(garbage);
    expect(stream.heard.messages.at(-1)).toBe(garbage);
  });

  test('half-close is passed on, and events continue', () => {
    const stream = new WatchSetup();
    stream.create();
    stream.requests.halfClose();
    expect(stream.below.isHalfClosed).toBe(true);
    stream.created(0);
    stream.respond({ events: [{ kv: { key: Buffer.from('k') } }] });
    expect(stream.told).toEqual(['created 0', 'events of 0']);
  });

  test('cancel and backpressure pass in both directions', () => {
    const stream = new WatchSetup();
    stream.requests.pauseResponses();
    expect(stream.below.isPaused).toBe(true);
    stream.requests.resumeResponses();
    expect(stream.below.isPaused).toBe(false);
    stream.below.pauseRequests();
    expect(stream.heard.isPaused).toBe(true);
    stream.below.resumeRequests();
    expect(stream.heard.isPaused).toBe(false);
    stream.requests.cancel();
    expect(stream.below.isCancelled).toBe(true);
    stream.requests.cancel();
    stream.create();
    expect(stream.below.requests).toEqual([]);
  });

  test('the stream ends with the status of etcd, and nothing follows', () => {
    const stream = new WatchSetup();
    stream.compact(50);
    stream.create();
    stream.create({ start_revision: 1 });
    stream.below.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    expect(stream.heard.status).toMatchObject({ text: 'etcdserver: no leader', origin: 'peer' });
    stream.create();
    stream.cancel(1);
    stream.requests.halfClose();
    stream.requests.resumeResponses();
    expect(stream.told).toEqual([]);
  });

  test.each([
    ['a create of the wrong type', [0x08, 1]],
    ['a create with a key of the wrong type', [0x0a, 2, 0x08, 1]],
    ['a create that breaks off', [0x0a, 2, 0x0a, 5]],
    ['a cancel of the wrong type', [0x10, 1]],
    ['a cancel with an ID of the wrong type', [0x12, 2, 0x0a, 0]],
  ])('%s ends the stream', (_name, bytes) => {
    const stream = new WatchSetup();
    stream.requests.send(Uint8Array.from(bytes));
    expect(stream.heard.code).toBe(Code.INTERNAL);
    expect(stream.below.isCancelled).toBe(true);
    expect(stream.below.requests).toEqual([]);
  });

  test('other streams and unary calls pass unchanged', () => {
    const etcd = new FakeEtcd<'tenant'>();
    const layer = onBytes(unsharedWatch(watchLimits)(etcd));
    const heard = new Caller();
    const keepAlive = callOf('etcdserverpb.Lease/LeaseKeepAlive', { tenant: testTenant() });
    expect(layer.stream(keepAlive, heard)).toBe(etcd.last);
    expect(etcd.last.responses).toBe(heard);
    const put = callOf('etcdserverpb.KV/Put', { tenant: testTenant() });
    expect(layer.unary(put, new Uint8Array(0), heard)).toBe(etcd.last);
  });

  test('a stream that etcd ends while it is being opened accepts nothing more', () => {
    const etcd = new FakeEtcd<'tenant'>();
    etcd.onCall = (call) => call.end(ok);
    const heard = new Caller();
    const requests = onBytes(unsharedWatch(watchLimits)(etcd)).stream(
      callOf(watchMethod, { tenant: testTenant() }),
      heard,
    );
    requests.send(Uint8Array.of(0x1a, 0));
    requests.halfClose();
    expect(etcd.last.requests).toEqual([]);
    expect(heard.isOk).toBe(true);
  });
});

describe('at its limits', () => {
  const refused = 'refused: etcdserver: too many requests';

  test('a create beyond the watchers that a stream may hold is refused, and the stream lives on', () => {
    const stream = new WatchSetup({ watchersMax: 2, createsPendingMax: 9 });
    stream.create();
    stream.create();
    stream.create();
    expect(stream.told).toEqual([]);
    stream.created(0);
    stream.created(1);
    expect(stream.told).toEqual(['created 0', 'created 1', refused]);
    expect(stream.answers[2]).toMatchObject({ header, watch_id: '-1', compact_revision: '0' });
    stream.cancel(0);
    stream.create();
    stream.created(2);
    expect(stream.told.at(-1)).toBe('created 2');
  });

  test('creates beyond those that may be pending are refused when their turn comes', () => {
    const stream = new WatchSetup({ watchersMax: 9, createsPendingMax: 2 });
    for (let i = 0; i < 5; i++) stream.create();
    stream.created(0);
    // There is room again, but refusals are due before whatever comes now.
    stream.create();
    expect(stream.sentIds).toEqual(['0', '1']);
    stream.created(1);
    expect(stream.told).toEqual(['created 0', 'created 1', refused, refused, refused, refused]);
    stream.create();
    expect(stream.sentIds).toEqual(['0', '1', '2']);
  });

  test('what a paused client does not take is bounded, however much it asks', () => {
    const stream = new WatchSetup({ watchersMax: 100, createsPendingMax: 2 });
    stream.compact(50);
    stream.requests.pauseResponses();
    for (let i = 0; i < 10_000; i++) stream.create({ start_revision: 1 });
    expect(stream.told).toEqual([]);
    stream.requests.resumeResponses();
    expect(stream.told.slice(0, 3)).toEqual(['created 0', 'compacted 0 at 50', refused]);
    expect(stream.told).toHaveLength(2 + 9_999);
  });
});
