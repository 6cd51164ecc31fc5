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
import { Code, ok, type Status } from '../../../src/grpc/status.ts';
import type { CallHandler, Channel, Incoming, ServedMethod } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';

const fetch: ServedMethod = { path: '/test.S/Fetch', requestStream: false, responseStream: false };
const chat: ServedMethod = { path: '/test.S/Chat', requestStream: true, responseStream: true };
const methods = new Map([fetch, chat].map((each) => [each.path, each]));
const mebibyte = 1_048_576;
const waitMsMax = 5_000;

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + waitMsMax;
  while (!condition()) {
    if (performance.now() > end) throw new Error('timed out');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

class Collected implements ResponseSink {
  readonly messages: Buffer[] = [];
  status: Status | null = null;
  ends = 0;
  onPause: () => void = () => {};
  deliver(message: Uint8Array): void {
    this.messages.push(Buffer.from(message));
  }
  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.messages.push(Buffer.concat([head, tail]));
  }
  end(ended: Status): void {
    this.status = ended;
    this.ends += 1;
  }
  pauseRequests(): void {
    this.onPause();
  }
  resumeRequests(): void {}
}

class Handled implements RequestSink {
  cancels = 0;
  onPause: () => void = () => {};
  send(): void {}
  halfClose(): void {}
  cancel(): void {
    this.cancels += 1;
  }
  pauseResponses(): void {
    this.onPause();
  }
  resumeResponses(): void {}
}

class Handler implements CallHandler<ServedMethod> {
  readonly methods = methods;
  readonly streams: { responses: ResponseSink; handle: Handled }[] = [];
  onUnary: (responses: ResponseSink) => void = () => {};
  unary(_: Incoming<ServedMethod>, __: Uint8Array, responses: ResponseSink): CallHandle {
    this.onUnary(responses);
    return endedCall;
  }
  stream(_: Incoming<ServedMethod>, responses: ResponseSink): RequestSink {
    const handle = new Handled();
    this.streams.push({ responses, handle });
    return handle;
  }
}

const transports = {
  native: (onFault: (fault: unknown) => void) => {
    const random = { integer: (min: number) => min };
    const options = { clock: systemClock, random, onFault, http1: null };
    return {
      server: new NativeServerTransport(options),
      client: new NativeClientTransport(options),
    };
  },
  'grpc-js': (onFault: (fault: unknown) => void) => {
    const options = { clock: systemClock, onFault };
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
  await until(() => channel.state === 'ready');
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
    const calls = Array.from({ length: 100 }, () => new Collected());
    for (const call of calls) loop.channel.unary(head(fetch), someBytes, call);
    await until(() => calls.every(({ status }) => status !== null));
    const heads = calls.map(({ messages: [message] }) => message?.readUInt32BE(0));
    expect(heads.toSorted((a, b) => Number(a) - Number(b))).toEqual([...Array(100).keys()]);
    for (const { messages } of calls) {
      expect(messages).toHaveLength(1);
      expect(messages[0]?.subarray(4).equals(original)).toBe(true);
    }
    expect(tail.equals(original)).toBe(true);
    expect(loop.faults).toEqual([]);
  });

  test('a handle that throws on backpressure ends its own call; deliver returns', async () => {
    await using loop = await connected(name);
    const responses = new Collected();
    const call = loop.channel.stream(head(chat), responses);
    call.send(someBytes);
    await until(() => loop.handler.streams.length === 1);
    const served = loop.handler.streams[0];
    if (served === undefined) throw new Error('not served');
    served.handle.onPause = () => {
      throw new Error('a bug');
    };
    call.pauseResponses();
    for (let i = 0; i < 40; i++) served.responses.deliver(asOwned(Buffer.alloc(mebibyte / 4)));
    expect(loop.faults).toEqual([new Error('a bug')]);
    expect(served.handle.cancels).toBe(1);
    call.resumeResponses();
    await until(() => responses.status !== null);
    expect(responses.status).toMatchObject({ code: Code.INTERNAL });
    expect(loop.channel.state).toBe('ready');
  });

  test('a response sink that throws on backpressure ends its own call; send returns', async () => {
    await using loop = await connected(name);
    const responses = new Collected();
    responses.onPause = () => {
      throw new Error('a bug');
    };
    const call = loop.channel.stream(head(chat), responses);
    for (let i = 0; i < 40; i++) call.send(Buffer.alloc(mebibyte / 4));
    expect(loop.faults).toEqual([new Error('a bug')]);
    expect(responses.status).toMatchObject({ code: Code.INTERNAL, origin: 'proxy' });
    expect(responses.ends).toBe(1);
    await until(() => loop.handler.streams.every(({ handle }) => handle.cancels === 1));
    expect(responses.ends).toBe(1);
    expect(loop.channel.state).toBe('ready');
  });
});
