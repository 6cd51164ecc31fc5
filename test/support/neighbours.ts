/**
 * The two neighbours of a layer that only passes calls on: an etcd that answers when the test says so and records each
 * attempt, and a caller that records what it hears. Both object when a rule of src/grpc/call.ts is broken.
 */
import { Call, type Etcd, type Responses, type Requests, type Space } from '../../src/call/call.ts';
import { type MethodName, method } from '../../src/etcd/methods.ts';
import { CompactionFloor, type Tenant } from '../../src/tenant/tenant.ts';
import { ok, type Status } from '../../src/grpc/status.ts';

/** One call that reached etcd, and the way to answer it. */
export class Attempt<S extends Space> implements Requests<S> {
  readonly call: Call;
  readonly requests: Uint8Array[] = [];
  isHalfClosed = false;
  isCancelled = false;
  isPaused = false;
  isEnded = false;
  readonly #reply: Responses<S>;

  constructor(call: Call, reply: Responses<S>) {
    this.call = call;
    this.#reply = reply;
  }

  send(bytes: Uint8Array): void {
    if (this.isEnded || this.isCancelled || this.isHalfClosed)
      throw new Error('sent after the end');
    this.requests.push(bytes);
  }

  halfClose(): void {
    if (this.isHalfClosed) throw new Error('half-closed twice');
    this.isHalfClosed = true;
  }

  cancel(): void {
    if (this.isEnded) throw new Error('cancelled after the end');
    this.isCancelled = true;
  }

  pauseResponses(): void {
    this.isPaused = true;
  }

  resumeResponses(): void {
    this.isPaused = false;
  }

  answer(text: string): void {
    this.#reply.deliver(Buffer.from(text));
  }

  finish(status: Status = ok): void {
    this.isEnded = true;
    this.#reply.end(status);
  }

  pauseRequests(): void {
    this.#reply.pauseRequests();
  }

  resumeRequests(): void {
    this.#reply.resumeRequests();
  }
}

export class EtcdBelow<S extends Space> implements Etcd<S> {
  readonly attempts: Attempt<S>[] = [];
  /** Called while an attempt is being started. */
  onStart: ((attempt: Attempt<S>) => void) | null = null;

  get last(): Attempt<S> {
    const attempt = this.attempts.at(-1);
    if (attempt === undefined) throw new Error('nothing has reached etcd');
    return attempt;
  }

  unary(call: Call, request: Uint8Array, reply: Responses<S>): Attempt<S> {
    const attempt = new Attempt(call, reply);
    attempt.requests.push(request);
    return this.#started(attempt);
  }

  stream(call: Call, reply: Responses<S>): Attempt<S> {
    return this.#started(new Attempt(call, reply));
  }

  #started(attempt: Attempt<S>): Attempt<S> {
    this.attempts.push(attempt);
    this.onStart?.(attempt);
    return attempt;
  }
}

/** What a caller hears. */
export class CallerAbove<S extends Space> implements Responses<S> {
  readonly messages: string[] = [];
  status: Status | null = null;
  isPaused = false;

  deliver(bytes: Uint8Array): void {
    if (this.status !== null) throw new Error('a message after the end');
    this.messages.push(Buffer.from(bytes).toString());
  }

  end(status: Status): void {
    if (this.status !== null) throw new Error('ended twice');
    this.status = status;
  }

  pauseRequests(): void {
    this.isPaused = true;
  }

  resumeRequests(): void {
    this.isPaused = false;
  }
}

export function someTenant(name = 'game-1'): Tenant {
  const keySpace = {
    prefix: Buffer.from(`${name}/`),
    prefixEnd: Buffer.from(`${name}0`),
    leaseTag: 1,
  };
  return { name, keySpace, floor: new CompactionFloor(), access: 'read-write', owns: new Set() };
}

export interface CallOptions {
  readonly tenant?: Tenant | null;
  readonly deadlineMs?: number;
  readonly listener?: string;
}

export function callOf(name: MethodName, options: CallOptions = {}): Call {
  const { tenant = null, deadlineMs = Number.POSITIVE_INFINITY, listener = 'here' } = options;
  const peer = { listener, remote: '', certificate: null };
  const call = new Call({ method: method(name), metadata: [], deadlineMs, peer });
  call.tenant = tenant;
  return call;
}
