/** Joins whose fence has failed and whose own watch is then lost as well, as when all connections break at once. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Code, ok } from '../../../../src/grpc/status.ts';
import { hubLimits } from '../../../../src/watch/hub/hub-context.ts';
import { watchLimits } from '../../../../src/watch/stream/watch-limits.ts';
import { watch } from '../../../../src/watch/watch.ts';
import {
  type CreateSpec,
  encodeRequest,
  encodeResponse,
  headerField,
} from '../../../simulation/wire.ts';
import { Caller } from '../../../support/caller.ts';
import { decodeResponse, encodeResponse as encodeUnary } from '../../../support/codec.ts';
import { FakeEtcd } from '../../../support/fake-etcd.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../../support/test-call.ts';
import { testHub } from '../../../support/watch-hub.ts';
import { header, inShort, watchMethod } from '../setup.ts';

const create: CreateSpec = {
  key: 'a',
  end: 'b',
  startRevision: 0,
  watchId: 0,
  prevKv: false,
  fragment: false,
  progressNotify: false,
  noPut: false,
  noDelete: false,
};

let clock: ManualClock;
let etcd: FakeEtcd<'tenant'>;
let client: Caller;
let send: (key: string) => void;

const unavailable = [Code.UNAVAILABLE, 'etcdserver: unhealthy cluster'] as const;
const received = () => client.messages.map((each) => inShort(decodeResponse(watchMethod, each)));

/** etcd responds to the newest call, which is a fence or a stream with one more create. */
const respondToFence = () => {
  etcd.last.deliver(encodeUnary('etcdserverpb.KV/Range', { header }));
  etcd.last.end(ok);
};
const respondToCreate = (watchId: number) =>
  etcd.last.deliver(encodeResponse({ header: headerField(1, 100), watchId, created: true }));

/** The fence of the newest create fails, and the watch that is then opened for it is lost. */
const loseJoin = (code: number, text: string) => {
  etcd.last.fail(...unavailable);
  etcd.last.fail(code, text);
};

function start(holdMs: number): () => void {
  clock = new ManualClock();
  etcd = new FakeEtcd<'tenant'>();
  client = new Caller();
  const hub = testHub(clock, holdMs);
  const layer = onBytes(watch({ limits: watchLimits, hub, isShared: () => true })(etcd));
  const stream = layer.stream(callOf(watchMethod, { tenant: testTenant() }), client);
  send = (key) => stream.send(encodeRequest({ kind: 'create', create: { ...create, key } }));
  return () => stream.cancel();
}

beforeEach(() => start(20_000));

describe('a create whose fence and whose own watch are lost', () => {
  test('joins again, and its client stream goes on', () => {
    send('a');
    loseJoin(...unavailable);
    expect(client.status).toBeNull();
    clock.advance(hubLimits.backoffMsMin);
    respondToFence();
    respondToCreate(1);
    expect(received()).toEqual(['created 0']);
  });

  test('ends its client stream when it has waited for too long', () => {
    send('a');
    const giveUpAt = clock.nowMs() + hubLimits.joinTimeoutMs;
    while (client.status === null && clock.nowMs() <= giveUpAt) {
      loseJoin(...unavailable);
      clock.advance(hubLimits.backoffMsMin);
    }
    expect(client.status).toMatchObject({
      code: Code.UNAVAILABLE,
      text: 'etcd did not respond to a watch in time',
    });
    expect(clock.nowMs()).toBe(giveUpAt);
  });

  test('ends its client stream after the time for which calls are held without an endpoint', () => {
    start(500);
    send('a');
    etcd.last.fail(...unavailable);
    clock.advance(500);
    etcd.last.fail(...unavailable);
    expect(client.status).toMatchObject({ code: Code.UNAVAILABLE, text: unavailable[1] });
  });

  test('ends its client stream with a status that joining again would not change', () => {
    send('a');
    loseJoin(Code.PERMISSION_DENIED, 'etcdserver: permission denied');
    expect(client.status).toMatchObject({ code: Code.PERMISSION_DENIED });
  });
});
