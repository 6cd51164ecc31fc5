/** A listener, a handler behind it and a ready channel to it, over loopback. Everything closes when it is disposed of. */
import { expect } from 'vitest';
import type { CallHandle, RequestSink, ResponseSink } from '../../../src/grpc/call.ts';
import type {
  CallHandler,
  Channel,
  DialOptions,
  Incoming,
  Listener,
  ListenOptions,
  ServedMethod,
} from '../../../src/grpc/transport.ts';
import { Caller } from '../../support/caller.ts';
import { FakeCall } from '../../support/fake-call.ts';
import { until } from '../../support/until.ts';
import type { PairKind, TransportPair } from './pairs.ts';

export const unaryMethod: ServedMethod = {
  path: '/test.Echo/Unary',
  requestStream: false,
  responseStream: false,
};
export const serverStream: ServedMethod = {
  path: '/test.Echo/Many',
  requestStream: false,
  responseStream: true,
};
export const bidi: ServedMethod = {
  path: '/test.Echo/Chat',
  requestStream: true,
  responseStream: true,
};
const methods = new Map([unaryMethod, serverStream, bidi].map((m) => [m.path, m]));

export const listenOptions: ListenOptions = {
  name: 'local',
  address: { host: '127.0.0.1', port: 0 },
  tls: null,
  messageBytesMax: 2_097_152,
  streamsMax: Infinity,
};

export const dialOptions = { tls: null, keepaliveMs: 10_000, keepaliveTimeoutMs: 5_000 };

/** A call as a handler sees it. A request with the text `throw` makes it throw. */
export class ServedCall extends FakeCall {
  readonly incoming: Incoming<ServedMethod>;

  constructor(incoming: Incoming<ServedMethod>, responses: ResponseSink) {
    super(responses);
    this.incoming = incoming;
  }

  override send(message: Uint8Array): void {
    super.send(message);
    if (Buffer.from(message).toString() === 'throw') throw new Error('a layer broke');
  }

  /** Delivers a copy in memory of its own, which the transport may release. */
  override deliver(message: Uint8Array | string): void {
    super.deliver(Uint8Array.from(Buffer.from(message as Uint8Array)));
  }

  echo(): void {
    this.respond(this.request);
  }
}

/** Records its calls. A test responds to them in `onCall` or later. */
export class Handler implements CallHandler<ServedMethod> {
  readonly methods = methods;
  readonly calls: ServedCall[] = [];
  onCall: (call: ServedCall) => void = () => {};

  unary(
    incoming: Incoming<ServedMethod>,
    request: Uint8Array,
    responses: ResponseSink,
  ): CallHandle {
    const call = new ServedCall(incoming, responses);
    call.requests.push(request);
    return this.#start(call);
  }

  stream(incoming: Incoming<ServedMethod>, responses: ResponseSink): RequestSink {
    return this.#start(new ServedCall(incoming, responses));
  }

  /** Waits for the call. */
  async call(index = 0): Promise<ServedCall> {
    await until(`call ${index}`, () => this.calls.length > index);
    return this.calls[index] as ServedCall;
  }

  #start(call: ServedCall): ServedCall {
    this.calls.push(call);
    this.onCall(call);
    return call;
  }
}

export function portOf(listener: Listener): number {
  return Number(listener.address.slice(listener.address.lastIndexOf(':') + 1));
}

export async function ready(channel: Channel): Promise<Channel> {
  await until(
    () => `ready channel (${channel.failure})`,
    () => channel.state === 'ready',
  );
  return channel;
}

export class Loop implements AsyncDisposable {
  readonly pair: TransportPair;
  readonly handler = new Handler();
  readonly listener: Listener;
  readonly channel: Channel;

  private constructor(pair: TransportPair, handler: Handler, listener: Listener, channel: Channel) {
    this.pair = pair;
    this.handler = handler;
    this.listener = listener;
    this.channel = channel;
  }

  static async open(
    kind: PairKind,
    listen: Partial<ListenOptions> = {},
    dial: Partial<DialOptions> = {},
  ): Promise<Loop> {
    const pair = kind.make();
    const handler = new Handler();
    const listener = await pair.server.listen({ ...listenOptions, ...listen }, handler);
    const address =
      listen.address !== undefined && 'path' in listen.address
        ? listen.address
        : { host: '127.0.0.1', port: portOf(listener) };
    const channel = await ready(pair.client.dial({ ...dialOptions, address, ...dial }));
    return new Loop(pair, handler, listener, channel);
  }

  /** Another connection to the same listener. The caller closes it. */
  dial(options: Partial<DialOptions> = {}): Promise<Channel> {
    const address = { host: '127.0.0.1', port: portOf(this.listener) };
    return ready(this.pair.client.dial({ ...dialOptions, address, ...options }));
  }

  unary(message: Uint8Array | string = 'hello', head = {}, channel = this.channel) {
    const caller = new Caller();
    const fullHead = { path: unaryMethod.path, metadata: [], timeoutMs: Infinity, ...head };
    const call: CallHandle = channel.unary(fullHead, Buffer.from(message as Uint8Array), caller);
    return Object.assign(caller, { call });
  }

  stream(method = bidi, channel = this.channel) {
    const caller = new Caller();
    const head = { path: method.path, metadata: [], timeoutMs: Infinity };
    const call: RequestSink = channel.stream(head, caller);
    return Object.assign(caller, { call });
  }

  /** The one fault that the test has provoked. */
  takeFault(): unknown {
    expect(this.pair.faults).toHaveLength(1);
    return this.pair.faults.pop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.channel.close();
    await this.listener.drain(0);
    // The doubles throw where the contract is broken, which a transport reports as a fault.
    expect(this.pair.faults).toEqual([]);
  }
}
