/**
 * An etcd that does what a test says: it keeps every call that reaches it and answers when the test answers, or at once,
 * before the starting function returns, where the test has set `onUnary`. It also checks the contract of a call: nothing
 * is said to it after its end or its cancel.
 */
import { Call, type Etcd, type Responses } from '../../src/call/call.ts';
import { type KeySpace, keySpace } from '../../src/etcd/key-space.ts';
import { type MethodName, method } from '../../src/etcd/methods.ts';
import { CompactionFloor, type Tenant } from '../../src/tenant/tenant.ts';
import type { CallHandle, RequestSink } from '../../src/grpc/call.ts';
import type { Metadata } from '../../src/grpc/metadata.ts';
import { Code, ok, type Status, status } from '../../src/grpc/status.ts';

/** A call as it reached etcd. */
export class FakeCall implements RequestSink {
  readonly call: Call;
  readonly reply: Responses<'store'>;
  readonly requests: Uint8Array[] = [];
  isCanceled = false;
  isHalfClosed = false;
  isPaused = false;
  isEnded = false;

  constructor(call: Call, reply: Responses<'store'>) {
    this.call = call;
    this.reply = reply;
  }

  send(bytes: Uint8Array): void {
    this.#mustBeOpen('message');
    if (this.isHalfClosed) throw new Error('a message after the half-close');
    this.requests.push(bytes);
  }

  halfClose(): void {
    this.#mustBeOpen('end');
    this.isHalfClosed = true;
  }

  cancel(): void {
    this.#mustBeOpen('cancel');
    this.isCanceled = true;
  }

  pauseResponses(): void {
    this.#mustBeOpen('pause');
    this.isPaused = true;
  }

  resumeResponses(): void {
    this.#mustBeOpen('resume');
    this.isPaused = false;
  }

  /** The one answer of a unary call. */
  answer(bytes: Uint8Array): void {
    this.reply.deliver(bytes);
    this.finish(ok);
  }

  fail(code: number, text: string): void {
    this.finish(status(code, text, 'peer'));
  }

  finish(as: Status): void {
    this.isEnded = true;
    this.reply.end(as);
  }

  /** The request of a unary call, or the newest of a stream. */
  get request(): Uint8Array {
    const newest = this.requests.at(-1);
    if (newest === undefined) throw new Error('no request has come');
    return newest;
  }

  #mustBeOpen(what: string): void {
    if (this.isCanceled || this.isEnded) throw new Error(`${what} after the call was over`);
  }
}

export class FakeEtcd implements Etcd<'store'> {
  readonly calls: FakeCall[] = [];
  /** Called within `unary`. */
  onUnary: ((call: FakeCall) => void) | null = null;
  /** Called within `stream`. */
  onStream: ((call: FakeCall) => void) | null = null;

  unary(call: Call, request: Uint8Array, reply: Responses<'store'>): CallHandle {
    const fake = new FakeCall(call, reply);
    fake.requests.push(request);
    this.calls.push(fake);
    this.onUnary?.(fake);
    return fake;
  }

  stream(call: Call, reply: Responses<'store'>): RequestSink {
    const fake = new FakeCall(call, reply);
    this.calls.push(fake);
    this.onStream?.(fake);
    return fake;
  }

  /** The newest call. */
  get call(): FakeCall {
    const newest = this.calls.at(-1);
    if (newest === undefined) throw new Error('no call has come');
    return newest;
  }
}

/** The client's end of a call: what it was told, in order. Anything after the end is an error. */
export class Heard implements Responses<'tenant'>, Responses<'store'> {
  readonly messages: Uint8Array[] = [];
  /** Called within `message`. */
  onMessage: ((bytes: Uint8Array) => void) | null = null;
  status: Status | null = null;
  isPaused = false;

  deliver(bytes: Uint8Array): void {
    if (this.status !== null) throw new Error('a message after the end');
    this.messages.push(bytes);
    this.onMessage?.(bytes);
  }

  end(as: Status): void {
    if (this.status !== null) throw new Error('a second end');
    this.status = as;
  }

  pauseRequests(): void {
    this.isPaused = true;
  }

  resumeRequests(): void {
    this.isPaused = false;
  }

  get code(): number | undefined {
    return this.status?.code;
  }

  get text(): string | undefined {
    return this.status?.text;
  }

  get isOk(): boolean {
    return this.code === Code.OK;
  }
}

export function fakeTenant(namespace: string, space?: KeySpace, rest?: Partial<Tenant>): Tenant {
  return {
    name: namespace === '' ? 'owner' : namespace,
    keySpace: space ?? keySpace(Buffer.from(namespace)),
    floor: new CompactionFloor(),
    access: 'read-write',
    owns: new Set(),
    ...rest,
  };
}

export function callOf(tenant: Tenant, name: MethodName, metadata: Metadata = []): Call {
  const peer = { listener: 'main', remote: '127.0.0.1:50000', certificate: null };
  const call = new Call({ method: method(name), metadata, deadlineMs: Infinity, peer });
  call.tenant = tenant;
  return call;
}
