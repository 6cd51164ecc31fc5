/** What a served call writes to the stream of grpc-js, and what it passes on to the handler. */
import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { CallHandle, RequestSink, ResponseSink } from '../../../../src/grpc/call.ts';
import { ServedCall, type ServerStream } from '../../../../src/grpc/grpc-js/served-call.ts';
import { Code, ok } from '../../../../src/grpc/status.ts';
import type { CallHandler, Incoming, ServedMethod } from '../../../../src/grpc/transport.ts';
import { asOwned } from '../../../../src/runtime/owned-bytes.ts';

const put: ServedMethod = { path: '/test.S/Put', requestStream: false, responseStream: false };
const incoming: Incoming<ServedMethod> = {
  method: put,
  metadata: [],
  deadlineMs: Number.POSITIVE_INFINITY,
  peer: { listener: 'x', remote: '', certificate: null },
};

/** The stream of grpc-js, which keeps what is written and reports backpressure if it has no room. */
class FakeStream extends EventEmitter {
  readonly written: Buffer[] = [];
  readonly statuses: { code: number; details: string }[] = [];
  hasRoom = true;
  constructor() {
    super();
    this.on('error', (status) => this.statuses.push(status));
  }
  write(bytes: Buffer): boolean {
    this.written.push(bytes);
    return this.hasRoom;
  }
}

class Handler implements CallHandler<ServedMethod> {
  readonly methods = new Map([[put.path, put]]);
  readonly events: string[] = [];
  onCall: (responses: ResponseSink) => void = () => {};
  onPause: () => void = () => {};
  unary(_: Incoming<ServedMethod>, __: Uint8Array, responses: ResponseSink): CallHandle {
    this.onCall(responses);
    return {
      cancel: () => this.events.push('cancel'),
      pauseResponses: () => {
        this.events.push('pause');
        this.onPause();
      },
      resumeResponses: () => this.events.push('resume'),
    };
  }
  stream(): RequestSink {
    throw new Error('not a stream');
  }
}

function serve(onCall: (responses: ResponseSink) => void, hasRoom = true) {
  const stream = new FakeStream();
  stream.hasRoom = hasRoom;
  const handler = new Handler();
  handler.onCall = onCall;
  const faults: unknown[] = [];
  let open = 0;
  const call = new ServedCall(stream as unknown as ServerStream, handler, incoming, {
    onOpen: () => {
      open += 1;
    },
    onClose: () => {
      open -= 1;
    },
    onFault: (fault) => faults.push(fault),
  });
  call.serveRequest(Buffer.from('request'));
  return { call, stream, handler, faults, openCalls: () => open };
}

const texts = (stream: FakeStream) => stream.written.map(String);

describe('a shared message', () => {
  test('is one write, and its head is copied before deliverShared returns', () => {
    const scratch = Buffer.from('head 1 ');
    const tail = Buffer.from('tail');
    const { stream } = serve((responses) => {
      responses.deliverShared(scratch, tail);
      scratch.write('head 2 ');
      responses.deliverShared(scratch, tail);
      scratch.fill('x');
      responses.deliverShared(scratch.subarray(0, 0), tail);
    });
    expect(texts(stream)).toEqual(['head 1 tail', 'head 2 tail', 'tail']);
    expect(tail.toString()).toBe('tail');
  });

  test('after the end of the call is dropped', () => {
    const { stream } = serve((responses) => {
      responses.end(ok);
      responses.deliverShared(Buffer.from('head '), Buffer.from('tail'));
      responses.deliver(asOwned(Buffer.from('late')));
      responses.end(ok);
    });
    expect(stream.written).toEqual([]);
    expect(stream.statuses).toHaveLength(1);
  });
});

describe('backpressure', () => {
  const deliverTwo = (responses: ResponseSink) => {
    responses.deliver(asOwned(Buffer.from('1')));
    responses.deliver(asOwned(Buffer.from('2')));
  };

  test('that begins before the handler has returned reaches its handle once', () => {
    const { stream, handler } = serve(deliverTwo, false);
    expect(handler.events).toEqual(['pause']);
    stream.emit('drain');
    stream.emit('drain');
    expect(handler.events).toEqual(['pause', 'resume']);
  });

  test('has no effect after the end of the call', () => {
    const { call, stream, handler } = serve(deliverTwo, false);
    call.end(ok);
    stream.emit('drain');
    stream.emit('cancelled');
    expect(handler.events).toEqual(['pause']);
  });

  test('to a handle that throws ends the call with Internal and cancels the handle', () => {
    const { stream, handler, faults, openCalls, call } = serve(() => {});
    handler.onPause = () => {
      throw new Error('a bug');
    };
    stream.hasRoom = false;
    call.deliver(asOwned(Buffer.from('1')));
    expect(faults).toEqual([new Error('a bug')]);
    expect(stream.statuses).toMatchObject([
      { code: Code.INTERNAL, details: 'etcd-bulkhead: internal error' },
    ]);
    expect(handler.events).toEqual(['pause', 'cancel']);
    expect(openCalls()).toBe(0);
  });

  test('that a new handle does not survive cancels that handle', () => {
    const stream = new FakeStream();
    stream.hasRoom = false;
    const handler = new Handler();
    handler.onCall = (responses) => responses.deliver(asOwned(Buffer.from('1')));
    handler.onPause = () => {
      throw new Error('a bug');
    };
    const context = { onOpen() {}, onClose() {}, onFault() {} };
    new ServedCall(stream as unknown as ServerStream, handler, incoming, context).serveRequest(
      Buffer.from('request'),
    );
    expect(handler.events).toEqual(['pause', 'cancel']);
    expect(stream.statuses).toHaveLength(1);
  });
});

test('a cancelled call cancels its handle once, and later responses are dropped', () => {
  let sink: ResponseSink | null = null;
  const { stream, handler } = serve((responses) => {
    sink = responses;
  });
  stream.emit('cancelled');
  stream.emit('cancelled');
  const late = sink as ResponseSink | null;
  late?.deliver(asOwned(Buffer.from('late')));
  late?.end(ok);
  expect(handler.events).toEqual(['cancel']);
  expect(stream.written).toEqual([]);
  expect(stream.statuses).toEqual([]);
});

test('a handler that throws after it has ended the call is reported, and nothing else happens', () => {
  const { stream, handler, faults } = serve((responses) => {
    responses.end(ok);
    throw new Error('a bug');
  });
  expect(faults).toEqual([new Error('a bug')]);
  expect(stream.statuses).toMatchObject([{ code: Code.OK }]);
  expect(handler.events).toEqual([]);
});
