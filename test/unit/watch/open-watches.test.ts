/** The limit of open watches, on streams that share watches and on streams of their own. */
import { describe, expect, test } from 'vitest';
import { noLimits } from '../../../src/config/sections/usage-limits.ts';
import { Code, ok } from '../../../src/grpc/status.ts';
import { Usage } from '../../../src/tenant/usage.ts';
import { watchLimits } from '../../../src/watch/stream/watch-limits.ts';
import { watch } from '../../../src/watch/watch.ts';
import { Caller } from '../../support/caller.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../support/codec.ts';
import { type EtcdCall, FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import type { WatchCreateRequest } from '../../support/messages.ts';
import { Seeded, seed } from '../../support/seeded.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';
import { testHub } from '../../support/watch-hub.ts';
import { encodedHeader, header, inShort, watchMethod } from './setup.ts';

const refused = 'refused: etcdserver: too many requests';

/** The watch layer over an etcd that responds to every create and cancel at once. */
class Setup {
  readonly etcd = new FakeEtcd<'tenant'>();
  readonly total = new Usage();
  readonly tenant = testTenant();
  readonly #layer;

  constructor(isShared: boolean) {
    const hub = testHub(new ManualClock());
    const options = { limits: watchLimits, hub, total: this.total, isShared: () => isShared };
    this.#layer = onBytes(watch(options)(this.etcd));
    this.etcd.onCall = (call) => {
      if (call.call.method.rpc === 'Range') {
        call.respond(encodeResponse('etcdserverpb.KV/Range', { header }));
      } else this.#serve(call);
    };
  }

  get usage(): Usage {
    return this.tenant.state.usage;
  }

  limit(openWatchesMax: number): void {
    this.usage.limits = { ...noLimits, openWatchesMax };
  }

  /** Open watches, which count for the tenant and for the process. */
  get open(): number {
    expect(this.total.openWatches).toBe(this.usage.openWatches);
    return this.usage.openWatches;
  }

  stream(): TestStream {
    const client = new Caller();
    const requests = this.#layer.stream(callOf(watchMethod, { tenant: this.tenant }), client);
    const send = (request: object) => requests.send(encodeRequest(watchMethod, request));
    return {
      client,
      create: (create = {}) => send({ create_request: { key: Buffer.from('k'), ...create } }),
      cancelWatch: (watchId) => send({ cancel_request: { watch_id: watchId } }),
      cancel: () => requests.cancel(),
      sendBytes: (message) => requests.send(message),
      get received() {
        return client.messages.map((each) => inShort(decodeResponse(watchMethod, each)));
      },
    };
  }

  /** Creates and cancels as a member of etcd handles them, one stream at a time. */
  #serve(call: EtcdCall<'tenant'>): void {
    const send = call.send.bind(call);
    let next = 0;
    call.send = (request) => {
      send(request);
      const { create_request: create, cancel_request: cancel } = decodeRequest(
        watchMethod,
        request,
      );
      const respond = (response: object) =>
        call.deliver(encodeResponse(watchMethod, { header, ...response }));
      if (cancel) respond({ watch_id: cancel.watch_id, canceled: true });
      if (!create) return;
      const chosen = String(create.watch_id ?? 0);
      if (create.range_end?.toString() === 'a') {
        respond({ watch_id: '-1', created: true, canceled: true, cancel_reason: 'empty' });
      } else respond({ watch_id: chosen === '0' ? String(next++) : chosen, created: true });
    };
  }
}

interface TestStream {
  readonly client: Caller;
  create(create?: WatchCreateRequest): void;
  cancelWatch(watchId: number): void;
  cancel(): void;
  sendBytes(message: Uint8Array): void;
  readonly received: readonly string[];
}

describe.each([
  ['that shares watches', true],
  ['of its own', false],
])('on a stream %s', (_what, isShared) => {
  test('a create above the limit of the tenant is cancelled, and the stream continues', () => {
    const setup = new Setup(isShared);
    setup.limit(2);
    const [one, other] = [setup.stream(), setup.stream()];
    one.create();
    other.create();
    one.create();
    expect(one.received).toEqual(['created 0', refused]);
    expect(setup.open).toBe(2);
    expect(Object.fromEntries(setup.usage.refusals)).toEqual({ 'max-open-watches': 1 });
    other.cancelWatch(0);
    expect(setup.open).toBe(1);
    one.create();
    expect(one.received).toEqual(['created 0', refused, 'created 1']);
    expect(one.client.status).toBeNull();
  });

  test('a create above the limit of all tenants is cancelled, too', () => {
    const setup = new Setup(isShared);
    setup.total.limits = { ...noLimits, openWatchesMax: 1 };
    const stream = setup.stream();
    stream.create();
    stream.create();
    expect(stream.received).toEqual(['created 0', refused]);
    expect(Object.fromEntries(setup.usage.refusals)).toEqual({ 'max-total-open-watches': 1 });
  });

  test('a reload changes the limit and keeps what is counted', () => {
    const setup = new Setup(isShared);
    setup.limit(1);
    const stream = setup.stream();
    stream.create();
    stream.create();
    setup.limit(2);
    stream.create();
    stream.create();
    setup.limit(1);
    stream.cancelWatch(1);
    stream.create();
    expect(stream.received).toEqual([
      ...['created 0', refused, 'created 1', refused, 'canceled 1', refused],
    ]);
    expect(setup.open).toBe(1);
  });

  test('watches that etcd rejects or the proxy does not open are not counted', () => {
    const setup = new Setup(isShared);
    setup.tenant.state.floor.raise(50, encodedHeader('90'));
    const stream = setup.stream();
    stream.create({ key: Buffer.from('b'), range_end: Buffer.from('a') });
    stream.create({ start_revision: 7 });
    expect(stream.received).toHaveLength(3);
    expect(setup.open).toBe(0);
  });

  test('the end of a stream ends its watches, however it ends', () => {
    const setup = new Setup(isShared);
    const [cancelled, malformed] = [setup.stream(), setup.stream()];
    for (const stream of [cancelled, malformed]) {
      stream.create();
      stream.create({ watch_id: 9 });
    }
    expect(setup.open).toBe(4);
    cancelled.cancel();
    cancelled.cancel();
    expect(setup.open).toBe(2);
    // A create of the wrong type.
    malformed.sendBytes(Uint8Array.of(0x08, 1));
    expect(malformed.client.code).toBe(Code.INTERNAL);
    malformed.cancel();
    expect(setup.open).toBe(0);
  });

  test('counts agree with the watches that are open, whatever happens to them', () => {
    const random = new Seeded(seed);
    const setup = new Setup(isShared);
    const streams = new Map<TestStream, Set<number>>();
    const expected = () => [...streams.values()].reduce((sum, ids) => sum + ids.size, 0);
    for (let step = 0; step < 3_000; step++) {
      if (streams.size === 0 || random.chance(0.05)) streams.set(setup.stream(), new Set());
      const [stream, ids] = random.pick([...streams]);
      if (random.chance(0.05)) setup.limit(random.below(30));
      if (random.chance(0.03)) {
        stream.cancel();
        streams.delete(stream);
      } else if (ids.size > 0 && random.chance(0.45)) {
        const id = random.pick([...ids]);
        stream.cancelWatch(id);
        // Not in use any more.
        stream.cancelWatch(id);
        ids.delete(id);
      } else {
        const before = stream.received.length;
        stream.create(random.chance(0.3) ? { watch_id: random.below(5) + 1 } : {});
        for (const each of stream.received.slice(before)) {
          if (each.startsWith('created ')) ids.add(Number(each.slice('created '.length)));
        }
      }
      expect(setup.open, `SEED=${seed}, step ${step}`).toBe(expected());
    }
    for (const stream of streams.keys()) stream.cancel();
    expect(setup.open).toBe(0);
  });
});

describe('on a stream of its own', () => {
  test('a watch that etcd ends is not counted any more, also while its ID stays in use', () => {
    const setup = new Setup(false);
    const stream = setup.stream();
    stream.create();
    const canceled = { header, watch_id: '0', canceled: true, compact_revision: '50' };
    setup.etcd.last.deliver(encodeResponse(watchMethod, canceled));
    expect(setup.open).toBe(0);
    // The client releases the ID.
    stream.cancelWatch(0);
    expect(setup.open).toBe(0);
  });

  test('the response to a cancel does not end a later watch with the same ID', () => {
    const setup = new Setup(false);
    setup.etcd.onCall = null;
    const stream = setup.stream();
    const respond = (response: object) =>
      setup.etcd.last.deliver(encodeResponse(watchMethod, { header, ...response }));
    stream.create({ watch_id: 5 });
    stream.cancelWatch(5);
    stream.create({ watch_id: 5 });
    respond({ watch_id: '5', created: true });
    respond({ watch_id: '5', canceled: true });
    expect(setup.open).toBe(1);
    respond({ watch_id: '5', created: true });
    expect(setup.open).toBe(1);
  });

  test('that etcd ends, its watches are not counted any more', () => {
    const setup = new Setup(false);
    const stream = setup.stream();
    stream.create();
    setup.etcd.last.end(ok);
    expect(stream.client.isOk).toBe(true);
    expect(setup.open).toBe(0);
  });
});
