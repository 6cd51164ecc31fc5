/** The rules of src/grpc/call.ts that concern faults and shared messages, for both transports over loopback. */

import { describe, expect, test } from 'vitest';
import {
  type CallHandle,
  endedCall,
  type RequestSink,
  type ResponseSink,
} from '../../../src/grpc/call.ts';
import { GrpcJsClientTransport } from '../../../src/grpc/grpc-js/client.ts';
import { GrpcJsServerTransport } from '../../../src/grpc/grpc-js/server.ts';
import { NativeClientTransport } from '../../../src/grpc/native/client.ts';
import { NativeServerTransport } from '../../../src/grpc/native/server.ts';
import { Code, ok } from '../../../src/grpc/status.ts';
import type { CallHandler, Channel, Incoming, ServedMethod } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';
import { Caller } from '../../support/caller.ts';
import { connectionsOf } from '../../support/client-connections.ts';
import { FakeCall } from '../../support/fake-call.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { until } from '../../support/until.ts';

const fetch: ServedMethod = { path: '/test.S/Fetch', requestStream: false, responseStream: false };
const chat: ServedMethod = { path: '/test.S/Chat', requestStream: true, responseStream: true };
const methods = new Map([fetch, chat].map((each) => [each.path, each]));
const mebibyte = 1_048_576;

class ThrowingCaller extends Caller {
  override pauseRequests(): void {
    throw new Error('a bug');
  }
}

class ThrowingCall extends FakeCall {
  override pauseResponses(): void {
    throw new Error('a bug');
  }
}

class Handler implements CallHandler<ServedMethod> {
  readonly methods = methods;
  readonly streams: FakeCall[] = [];
  onUnary: (responses: ResponseSink) => void = () => {};
  unary(_: Incoming<ServedMethod>, __: Uint8Array, responses: ResponseSink): CallHandle {
    this.onUnary(responses);
    return endedCall;
  }
  stream(_: Incoming<ServedMethod>, responses: ResponseSink): RequestSink {
    const call = new ThrowingCall(responses);
    this.streams.push(call);
    return call;
  }
}

const transports = {
  native: (onFault: (fault: unknown) => void) => {
    const random = { integer: (min: number) => min };
    const options = {
      ...{ clock: systemClock, random, onFault, http1: null },
      ...{ memory: memoryOf(), connections: connectionsOf() },
    };
    return {
      server: new NativeServerTransport(options),
      client: new NativeClientTransport(options),
    };
  },
  'grpc-js': (onFault: (fault: unknown) => void) => {
    const options = { clock: systemClock, onFault, connections: connectionsOf() };
    return {
      server: new GrpcJsServerTransport(options),
      client: new GrpcJsClientTransport(options),
    };
  },
} as const;

async function connected(name: keyof typeof transports) {
  const faults: unknown[] = [];
  const { server, client } = transports[name]((fault) => faults.push(fault));
  const handler = new Handler();
  const address = { host: '127.0.0.1', port: 0 };
  const listener = await server.listen(
    { name, address, tls: null, messageBytesMax: mebibyte, streamsMax: Number.POSITIVE_INFINITY },
    handler,
  );
  const port = Number(listener.address.slice(listener.address.lastIndexOf(':') + 1));
  const channel: Channel = client.dial({
    address: { ...address, port },
    ...{ tls: null, keepaliveMs: 10_000, keepaliveTimeoutMs: 5_000 },
  });
  await until('connection', () => channel.state === 'ready');
  return {
    faults,
    handler,
    channel,
    async [Symbol.asyncDispose]() {
      channel.close();
      await listener.drain(0);
    },
  };
}

const head = ({ path }: ServedMethod) => ({
  ...{ path, metadata: [], timeoutMs: Number.POSITIVE_INFINITY },
});
const someBytes = Buffer.from('request');

describe.each(['native', 'grpc-js'] as const)('%s', (name) => {
  test('one shared message of 1 MiB reaches 100 calls, each with a head of its own', async () => {
    await using loop = await connected(name);
    const tail = Buffer.alloc(mebibyte);
    for (let i = 0; i < tail.length; i++) tail[i] = i * 31;
    const original = Buffer.from(tail);
    const scratch = Buffer.alloc(4);
    let served = 0;
    loop.handler.onUnary = (responses) => {
      scratch.writeUInt32BE(served);
      served += 1;
      responses.deliverShared(scratch, tail);
      responses.end(ok);
    };
    const calls = Array.from({ length: 100 }, () => new Caller());
    for (const call of calls) loop.channel.unary(head(fetch), someBytes, call);
    await until('end of all calls', () => calls.every(({ status }) => status !== null));
    const received = calls.map(({ messages }) => messages.map((each) => Buffer.from(each)));
    const heads = received.map(([message]) => message?.readUInt32BE(0));
    expect(heads.toSorted((a, b) => Number(a) - Number(b))).toEqual([...Array(100).keys()]);
    for (const messages of received) {
      expect(messages).toHaveLength(1);
      expect(messages[0]?.subarray(4).equals(original)).toBe(true);
    }
    expect(tail.equals(original)).toBe(true);
    expect(loop.faults).toEqual([]);
  });

  test('a handle that throws on backpressure ends its own call; deliver returns', async () => {
    await using loop = await connected(name);
    const caller = new Caller();
    const call = loop.channel.stream(head(chat), caller);
    call.send(someBytes);
    await until('call', () => loop.handler.streams.length === 1);
    const served = loop.handler.streams[0];
    call.pauseResponses();
    for (let i = 0; i < 40; i++) served?.responses.deliver(asOwned(Buffer.alloc(mebibyte / 4)));
    expect(loop.faults).toEqual([new Error('a bug')]);
    expect(served?.isCancelled).toBe(true);
    call.resumeResponses();
    expect(await caller.ended()).toMatchObject({ code: Code.INTERNAL });
    expect(loop.channel.state).toBe('ready');
  });

  test('a response sink that throws on backpressure ends its own call; send returns', async () => {
    await using loop = await connected(name);
    const caller = new ThrowingCaller();
    const call = loop.channel.stream(head(chat), caller);
    for (let i = 0; i < 40; i++) call.send(Buffer.alloc(mebibyte / 4));
    expect(loop.faults).toEqual([new Error('a bug')]);
    expect(caller.status).toMatchObject({ code: Code.INTERNAL, origin: 'proxy' });
    await until('cancel', () => loop.handler.streams.every(({ isCancelled }) => isCancelled));
    expect(loop.channel.state).toBe('ready');
  });
});
