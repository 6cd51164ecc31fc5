/** A client of one endpoint for the smoke test: unary calls and streams as promises, each with a deadline, without retries. */
import type { EndpointConfig } from '../../config/sections/endpoints.ts';
import type { LoginConfig } from '../../config/sections/login.ts';
import { method } from '../../etcd/methods.ts';
import type { RequestSink } from '../../grpc/call.ts';
import { CollectedResponse } from '../../grpc/collected-response.ts';
import { MessageMemory } from '../../grpc/message-memory.ts';
import { NativeClientTransport } from '../../grpc/native/client.ts';
import { Code, type Status, status } from '../../grpc/status.ts';
import type { Channel } from '../../grpc/transport.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import { systemClock } from '../../runtime/clock.ts';
import { systemRandom } from '../../runtime/random.ts';

type MethodName = Parameters<typeof method>[0];

/** Of each call, and of each response on a stream. */
const timeoutMs = 5_000;
const responseBytesMax = 4 << 20;

export class Etcd {
  readonly #channel: Channel;
  readonly #failure = Promise.withResolvers<never>();
  #metadata: readonly string[] = [];

  constructor({ address, tls }: EndpointConfig) {
    const memory = new MessageMemory({
      ...{ bytesMax: responseBytesMax, responseBytesMax, hasOneTenant: true, clock: systemClock },
      refusal: status(Code.RESOURCE_EXHAUSTED, 'the response is too large'),
    });
    const transport = new NativeClientTransport({
      ...{ clock: systemClock, random: systemRandom, memory },
      onFault: (fault) => this.#failure.reject(fault),
    });
    this.#failure.promise.catch(() => {});
    this.#channel = transport.dial({
      ...{ address, tls, keepaliveMs: 10_000, keepaliveTimeoutMs: timeoutMs },
    });
  }

  /** Resolves when the connection is ready and a configured user is logged in. */
  async connect(login: LoginConfig | null): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => {
      if (this.#channel.state === 'ready') resolve();
    };
    this.#channel.onState = check;
    check();
    await this.#within(promise, () => `cannot connect: ${this.#channel.failure || 'no response'}`);
    if (login === null) return;
    const request = new Writer().string(1, login.user).string(2, login.password).finish();
    const response = await this.call('etcdserverpb.Auth/Authenticate', request);
    const token = textOf(field(response, 2));
    this.#metadata = ['token', token];
  }

  /** Rejects if the call does not end with OK. */
  call(name: MethodName, request: Uint8Array): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const sink = new CollectedResponse((ended, message) => {
      if (ended.code === Code.OK) resolve(message ?? new Uint8Array(0));
      else reject(failed(name, ended));
    });
    const head = { path: method(name).path, metadata: this.#metadata, timeoutMs };
    this.#channel.unary(head, request, sink);
    return Promise.race([promise, this.#failure.promise]);
  }

  stream(name: MethodName): Stream {
    const stream = new Stream(name, (pending, what) => this.#within(pending, what));
    const head = { path: method(name).path, metadata: this.#metadata, timeoutMs: Infinity };
    stream.requests = this.#channel.stream(head, stream);
    return stream;
  }

  close(): void {
    this.#channel.close();
  }

  #within<T>(pending: Promise<T>, what: () => string): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const cancel = systemClock.after(timeoutMs, () => reject(new Error(what())));
    return Promise.race([pending, promise, this.#failure.promise]).finally(cancel);
  }
}

type Within = <T>(pending: Promise<T>, what: () => string) => Promise<T>;

/** One stream. Responses are queued until they are read. */
export class Stream extends CollectedResponse implements Disposable {
  requests: RequestSink | null = null;
  readonly #name: string;
  readonly #within: Within;
  readonly #queue: Uint8Array[] = [];
  #next: PromiseWithResolvers<Uint8Array> | null = null;
  #ended: Status | null = null;

  constructor(name: string, within: Within) {
    super((ended) => {
      this.#ended = ended;
      this.#next?.reject(failed(name, ended));
    });
    this.#name = name;
    this.#within = within;
  }

  override deliver(message: Uint8Array): void {
    if (this.#next === null) this.#queue.push(message);
    else this.#next.resolve(message);
    this.#next = null;
  }

  override deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.deliver(Buffer.concat([head, tail]));
  }

  send(message: Uint8Array): void {
    this.requests?.send(message);
  }

  /** Rejects if the stream ends or no response arrives in time. */
  next(): Promise<Uint8Array> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    if (this.#ended !== null) return Promise.reject(failed(this.#name, this.#ended));
    this.#next = Promise.withResolvers();
    return this.#within(this.#next.promise, () => `${this.#name}: no response`);
  }

  [Symbol.dispose](): void {
    if (this.#ended === null) this.requests?.cancel();
  }
}

function failed(name: string, { code, text }: Status): Error {
  const codeName = Object.entries(Code).find(([, value]) => value === code)?.[0];
  return new Error(`${name}: ${codeName ?? code} ${text}`);
}

/** The last occurrence of a length-delimited field. Empty if the message does not have it. */
export function field(message: Uint8Array, number: number): Uint8Array {
  const reader = new Reader(message);
  let found: Uint8Array = new Uint8Array(0);
  while (reader.next()) if (reader.field === number) found = reader.bytes();
  return found;
}

/** The last occurrence of an integer or boolean field. 0 if the message does not have it, as in proto3. */
export function integer(message: Uint8Array, number: number): bigint {
  const reader = new Reader(message);
  let found = 0n;
  while (reader.next()) if (reader.field === number) found = reader.int64();
  return found;
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
