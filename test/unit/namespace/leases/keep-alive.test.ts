import { describe, expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { unusualRenewalsMax } from '../../../../src/namespace/leases/keep-alive.ts';
import { decodeRequest, decodeResponse } from '../../../support/codec.ts';
import { encodeRequest, encodeResponse, header, Setup } from '../setup.ts';

const name = 'etcdserverpb.Lease/LeaseKeepAlive';

function open(setup = new Setup()) {
  setup.know(5, 6, 7);
  const { heard, requests, below } = setup.stream(name);
  return {
    heard,
    requests,
    below,
    renew: (ID: string) => requests.send(encodeRequest(name, { ID })),
    sent: () => below.requests.map((bytes) => String(decodeRequest(name, bytes).ID)),
    /** Responds to the oldest pending request, as etcd does: in order, with the requested ID. */
    respond: (ID: string, TTL: number) => below.deliver(encodeResponse(name, { header, ID, TTL })),
    answers: () =>
      heard.messages.map((bytes) => {
        const { ID, TTL } = decodeResponse(name, bytes);
        return `${ID}: ${TTL}`;
      }),
    id: (visible: number) => String(setup.tenant.keySpace.leases.stored(visible)),
  };
}

describe('renewing leases on one stream', () => {
  test('own leases are sent with their stored IDs and returned with the visible ones', () => {
    const stream = open();
    stream.renew('5');
    stream.renew('6');
    expect(stream.sent()).toEqual([stream.id(5), stream.id(6)]);
    stream.respond(stream.id(5), 60);
    stream.respond(stream.id(6), 0);
    expect(stream.answers()).toEqual(['5: 60', '6: 0']);
  });

  test('renewals of IDs that no lease can have get a response of etcd, each with its own ID', () => {
    const stream = open();
    const asked = ['0', '5', '-1', '2147483648', '6', '9223372036854775807'];
    for (const id of asked) stream.renew(id);
    const never = stream.id(0);
    expect(stream.sent()).toEqual([never, stream.id(5), never, never, stream.id(6), never]);
    for (const id of stream.sent()) stream.respond(id, id === never ? 0 : 60);
    expect(stream.answers()).toEqual(asked.map((id) => `${id}: ${/^[56]$/.test(id) ? 60 : 0}`));
  });

  test('the stream stays open after the renewal of a lease that has expired', () => {
    const stream = open();
    stream.renew('-1');
    stream.respond(stream.id(0), 0);
    stream.renew('7');
    stream.respond(stream.id(7), 9);
    expect(stream.answers()).toEqual(['-1: 0', '7: 9']);
    expect(stream.heard.status).toBeNull();
  });

  test('after a half-close, requests still get their responses', () => {
    const stream = open();
    stream.renew('5');
    stream.requests.halfClose();
    expect(stream.below.isHalfClosed).toBe(true);
    stream.respond(stream.id(5), 60);
    expect(stream.answers()).toEqual(['5: 60']);
  });

  test('pending renewals of leases that cannot exist are bounded; the stream ends with a text of etcd', () => {
    const stream = open();
    for (let i = 0; i < unusualRenewalsMax; i++) stream.renew('0');
    expect(stream.heard.status).toBeNull();
    stream.renew('0');
    expect(stream.heard.status).toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      text: 'etcdserver: too many requests',
    });
    expect(stream.below.isCancelled).toBe(true);
    expect(stream.below.requests).toHaveLength(unusualRenewalsMax);
  });

  test('bytes that are not a message end the stream', () => {
    const stream = open();
    stream.requests.send(Uint8Array.of(0x0a));
    expect(stream.heard.code).toBe(Code.INTERNAL);
    expect(stream.below.isCancelled).toBe(true);
  });

  test('cancel and backpressure pass', () => {
    const stream = open();
    stream.requests.pauseResponses();
    expect(stream.below.isPaused).toBe(true);
    stream.requests.resumeResponses();
    stream.below.pauseRequests();
    expect(stream.heard.isPaused).toBe(true);
    stream.requests.cancel();
    expect(stream.below.isCancelled).toBe(true);
  });

  test('the tenant that owns the cluster renews any lease', () => {
    const stream = open(new Setup(''));
    stream.renew('7587866000000000000');
    stream.renew('0');
    expect(stream.sent()).toEqual(['7587866000000000000', '0']);
    stream.respond('7587866000000000000', 60);
    expect(stream.answers()).toEqual(['7587866000000000000: 60']);
  });
});
