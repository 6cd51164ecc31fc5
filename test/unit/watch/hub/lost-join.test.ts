/** Joins whose fence has failed and whose own watch is then lost as well, as when all connections break at once. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Code, ok } from '../../../../src/grpc/status.ts';
import { hubLimits } from '../../../../src/watch/hub/hub-context.ts';
import { encodeResponse } from '../../../support/codec.ts';
import { header } from '../setup.ts';
import { SharedWatchSetup } from './setup.ts';

const unavailable = [Code.UNAVAILABLE, 'etcdserver: unhealthy cluster'] as const;

let setup: SharedWatchSetup;

beforeEach(() => {
  setup = new SharedWatchSetup();
  return () => setup[Symbol.dispose]();
});

const respondToFence = () => {
  setup.etcd.last.deliver(encodeResponse('etcdserverpb.KV/Range', { header }));
  setup.etcd.last.end(ok);
};

/** The fence of the newest create fails, and the watch that is then opened for it is lost. */
const loseJoin = (code: number, text: string) => {
  setup.etcd.last.fail(...unavailable);
  setup.etcd.last.fail(code, text);
};

describe('a create whose fence and whose own watch are lost', () => {
  test('joins again, and its client stream goes on', () => {
    setup.create();
    loseJoin(...unavailable);
    expect(setup.client.status).toBeNull();
    setup.clock.advance(hubLimits.backoffMsMin);
    respondToFence();
    setup.created();
    expect(setup.received).toEqual(['created 0']);
  });

  test('ends its client stream when it has waited for too long', () => {
    setup.create();
    const giveUpAt = setup.clock.nowMs() + hubLimits.joinTimeoutMs;
    while (setup.client.status === null && setup.clock.nowMs() <= giveUpAt) {
      loseJoin(...unavailable);
      setup.clock.advance(hubLimits.backoffMsMin);
    }
    expect(setup.client.status).toMatchObject({
      code: Code.UNAVAILABLE,
      text: 'etcd did not respond to a watch in time',
    });
    expect(setup.clock.nowMs()).toBe(giveUpAt);
  });

  test('ends its client stream after the time for which calls are held without an endpoint', () => {
    setup = new SharedWatchSetup(500);
    setup.create();
    setup.etcd.last.fail(...unavailable);
    setup.clock.advance(500);
    setup.etcd.last.fail(...unavailable);
    expect(setup.client.status).toMatchObject({ code: Code.UNAVAILABLE, text: unavailable[1] });
  });

  test('ends its client stream with a status that joining again would not change', () => {
    setup.create();
    loseJoin(Code.PERMISSION_DENIED, 'etcdserver: permission denied');
    expect(setup.client.status).toMatchObject({ code: Code.PERMISSION_DENIED });
  });
});
