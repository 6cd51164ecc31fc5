import { describe, expect, test } from 'vitest';
import {
  builtMessage,
  type Etcd,
  type Message,
  type OwnedMessage,
  type Requests,
  type Responses,
} from '../../../src/call/call.ts';
import {
  ForwardingCall,
  ForwardingResponses,
  ResponseLayer,
  UnaryLayer,
} from '../../../src/call/forwarding.ts';
import { endedCall } from '../../../src/grpc/call.ts';
import { Code, ok, status } from '../../../src/grpc/status.ts';
import { asOwned, type OwnedBytes } from '../../../src/runtime/owned-bytes.ts';
import { Caller } from '../../support/caller.ts';
import { withoutContractChecks } from '../../support/contract-checks.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, message } from '../../support/test-call.ts';

const aborted = status(Code.ABORTED, 'aborted by the layer', 'proxy');
const watch = callOf('etcdserverpb.Watch/Watch');
const put = callOf('etcdserverpb.KV/Put');

/** Converts from stored to visible messages, in place: it overwrites the first byte. */
class Converting extends ResponseLayer<'store', 'tenant'> {
  override deliver(bytes: OwnedMessage<'store'>): void {
    bytes[0] = 0x2a;
    this.above.deliver(builtMessage(bytes as OwnedBytes));
  }
}

/** A unary layer that records what it receives before it forwards it. */
class Recording extends UnaryLayer<'store', 'store'> {
  readonly received: string[] = [];

  override deliver(bytes: OwnedMessage<'store'>): void {
    this.received.push(Buffer.from(bytes).toString());
    this.above.deliver(bytes);
  }
}

function forwarded(etcd: Etcd<'store'> = new FakeEtcd<'store'>()) {
  const caller = new Caller();
  const layer = new ForwardingCall<'store'>(caller);
  layer.attachStream(etcd.stream(watch, layer));
  return { caller, layer };
}

describe('ForwardingCall', () => {
  test('passes requests, responses and backpressure of a stream unchanged', () => {
    const etcd = new FakeEtcd<'store'>();
    const { caller, layer } = forwarded(etcd);
    const { last: below } = etcd;
    const request = message<'store'>('request');
    layer.send(request);
    expect(below.request).toBe(request);
    layer.pauseResponses();
    expect(below.isPaused).toBe(true);
    layer.resumeResponses();
    expect(below.isPaused).toBe(false);
    layer.halfClose();
    expect(below.isHalfClosed).toBe(true);

    const response = Buffer.from('response');
    below.deliver(response);
    expect(caller.messages[0]).toBe(response);
    const tail = Buffer.from('tail');
    below.deliverShared('head ', tail);
    expect(caller.texts[1]).toBe('head tail');
    expect(caller.sharedTails).toEqual([tail]);
    expect(caller.sharedTails[0]).toBe(tail);
    below.pauseRequests();
    expect(caller.isPaused).toBe(true);
    below.resumeRequests();
    expect(caller.isPaused).toBe(false);
    below.end();
    expect(caller.status).toBe(ok);
  });

  test('passes nothing in either direction after the end', () => {
    const etcd = new FakeEtcd<'store'>();
    const { caller, layer } = forwarded(etcd);
    etcd.last.end();
    layer.send(message('late'));
    layer.halfClose();
    layer.pauseResponses();
    layer.cancel();
    expect(etcd.last).toMatchObject({ requests: [], isHalfClosed: false, isPaused: false });
    expect(etcd.last.isCancelled).toBe(false);
    withoutContractChecks(() => {
      const { responses } = etcd.last;
      responses.deliver(asOwned(Buffer.from('late')) as OwnedMessage<'store'>);
      responses.deliverShared(Buffer.from('late'), message('late'));
      responses.pauseRequests();
      responses.resumeRequests();
      responses.end(aborted);
    });
    expect(caller).toMatchObject({ messages: [], pauses: 0, resumes: 0, status: ok });
  });

  test('passes a cancel once, and nothing after it', () => {
    const etcd = new FakeEtcd<'store'>();
    const { caller, layer } = forwarded(etcd);
    layer.cancel();
    expect(etcd.last.isCancelled).toBe(true);
    // The double throws on anything after a cancel.
    layer.cancel();
    layer.send(message('late'));
    layer.resumeResponses();
    expect(caller.status).toBeNull();
  });

  test('is set to ended before the last event leaves', () => {
    const etcd = new FakeEtcd<'store'>();
    const caller = new Caller();
    const layer = new ForwardingCall<'store'>(caller);
    const end = caller.end.bind(caller);
    caller.end = (ended) => {
      layer.cancel();
      layer.send(message('re-entrant'));
      end(ended);
    };
    layer.attachStream(etcd.stream(watch, layer));
    etcd.last.end();
    expect(caller.status).toBe(ok);
    expect(etcd.last.requests).toEqual([]);
  });

  test('ends both directions when the layer aborts', () => {
    const etcd = new FakeEtcd<'store'>();
    const { caller, layer } = forwarded(etcd);
    layer.abort(aborted);
    layer.abort(status(Code.INTERNAL, 'a second abort'));
    expect(etcd.last.isCancelled).toBe(true);
    expect(caller.status).toBe(aborted);
  });

  test('cancels below when it was aborted before the call below had been started', () => {
    const etcd = new FakeEtcd<'store'>();
    const caller = new Caller();
    const layer = new ForwardingCall<'store'>(caller);
    etcd.onCall = (below) => {
      layer.abort(aborted);
      // The call below does not know yet, so these events break no rule.
      below.deliver('unaware');
      below.pauseRequests();
    };
    layer.attachStream(etcd.stream(watch, layer));
    expect(etcd.last.isCancelled).toBe(true);
    expect(caller).toMatchObject({ messages: [], pauses: 0, status: aborted });
  });

  test('takes the end of a call that was aborted before it had been started', () => {
    const etcd = new FakeEtcd<'store'>();
    const caller = new Caller();
    const layer = new ForwardingCall<'store'>(caller);
    etcd.onCall = (below) => {
      layer.abort(aborted);
      below.end();
    };
    layer.attachStream(etcd.stream(watch, layer));
    expect(etcd.last.isCancelled).toBe(false);
    expect(caller.status).toBe(aborted);
  });

  test('has no requests to pass for a unary call', () => {
    const etcd = new FakeEtcd<'store'>();
    const layer = new ForwardingCall<'store'>(new Caller());
    layer.attach(etcd.unary(put, message('put'), layer));
    layer.send(message('stray'));
    layer.halfClose();
    expect(etcd.last.requests).toHaveLength(1);
    expect(etcd.last.isHalfClosed).toBe(false);
  });
});

describe('UnaryLayer', () => {
  test('lets its subclass see responses, and forwards the handle of the call', () => {
    const etcd = new FakeEtcd<'store'>();
    const caller = new Caller();
    const layer = new Recording(caller);
    layer.attach(etcd.unary(put, message('put'), layer));
    layer.pauseResponses();
    expect(etcd.last.isPaused).toBe(true);
    layer.resumeResponses();
    expect(etcd.last.isPaused).toBe(false);
    etcd.last.respond('done');
    expect(layer.received).toEqual(['done']);
    expect(caller).toMatchObject({ texts: ['done'], status: ok });
  });

  test('may be responded to before it has a handle', () => {
    const etcd = new FakeEtcd<'store'>();
    etcd.onCall = (below) => below.respond('at once');
    const caller = new Caller();
    const layer = new Recording(caller);
    layer.attach(etcd.unary(put, message('put'), layer));
    layer.cancel();
    expect(caller).toMatchObject({ texts: ['at once'], status: ok });
    expect(etcd.last.isCancelled).toBe(false);
  });
});

describe('ResponseLayer', () => {
  test('gives a converting layer an owned copy of a shared message', () => {
    const etcd = new FakeEtcd<'store'>();
    const caller = new Caller();
    etcd.unary(put, message('put'), new Converting(caller));
    const tail = Buffer.from('tail');
    etcd.last.deliverShared('', tail);
    etcd.last.deliverShared('head ', tail);
    expect(caller.texts).toEqual(['*ail', '*ead tail']);
    expect(caller.sharedTails).toEqual([]);
    expect(tail.toString()).toBe('tail');
  });

  test('forwards the end and backpressure', () => {
    const etcd = new FakeEtcd<'store'>();
    const caller = new Caller();
    etcd.unary(put, message('put'), new Converting(caller));
    etcd.last.pauseRequests();
    etcd.last.resumeRequests();
    etcd.last.end();
    expect(caller).toMatchObject({ pauses: 1, resumes: 1, status: ok });
  });
});

describe('ForwardingResponses', () => {
  test('passes owned and shared messages as the same bytes', () => {
    const etcd = new FakeEtcd<'tenant'>();
    const caller = new Caller();
    etcd.stream(watch, new ForwardingResponses<'tenant'>(caller));
    const [response, tail] = [Buffer.from('owned'), Buffer.from('tail')];
    etcd.last.deliver(response);
    etcd.last.deliverShared('', tail);
    expect(caller.messages[0]).toBe(response);
    expect(caller.sharedTails[0]).toBe(tail);
  });
});

describe('a violation of the contract', () => {
  const late: [string, (responses: Responses<'store'>) => void][] = [
    ['a second end', (responses) => responses.end(ok)],
    [
      'a message',
      (responses) => responses.deliver(asOwned(Buffer.from('x')) as OwnedMessage<'store'>),
    ],
    ['a shared message', (responses) => responses.deliverShared(Buffer.from('x'), message('y'))],
  ];

  test.each(late)('is reported: %s after the end', (_what, violate) => {
    const { caller, layer } = forwarded();
    layer.end(ok);
    expect(() => violate(layer)).toThrow('the contract of a call is broken');
    const responses = new ForwardingResponses<'store'>(new Caller());
    responses.end(ok);
    expect(() => violate(responses)).toThrow('the contract of a call is broken');
    expect(caller.messages).toEqual([]);
  });

  test('is reported: a message after a cancel', () => {
    const { layer } = forwarded();
    layer.cancel();
    expect(() => layer.deliver(asOwned(Buffer.from('x')) as OwnedMessage<'store'>)).toThrow(
      'a message after the end',
    );
  });
});

test('an ended call takes everything and does nothing', () => {
  const requests: Requests<'store'> = endedCall;
  requests.send(message<'store'>('x') satisfies Message<'store'>);
  requests.halfClose();
  requests.pauseResponses();
  requests.resumeResponses();
  requests.cancel();
});
