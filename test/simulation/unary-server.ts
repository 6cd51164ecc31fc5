/** The unary calls of the simulation at the members: Range and Txn, with the faults of the network. */
import { type Call, type Message, type Responses, tenantOf } from '../../src/call/call.ts';
import { method } from '../../src/etcd/methods.ts';
import { type CallHandle, endedCall } from '../../src/grpc/call.ts';
import { Code, ok, type Status, status } from '../../src/grpc/status.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import type { CancelTimer } from '../../src/runtime/clock.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import type { Seeded } from '../support/seeded.ts';
import type { Faults } from './faults.ts';
import type { Member } from './member.ts';
import { rangeAt } from './range-model.ts';
import { decodeRead, type ReadSpec } from './read-spec.ts';
import { lost } from './send-loop.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Store } from './store.ts';
import { headerField } from './wire.ts';
import { decodeWrite } from './write-spec.ts';

const range = method('etcdserverpb.KV/Range');

export const notSent = status(Code.UNAVAILABLE, 'no endpoint is available', 'unsent');
const timedOut = status(Code.UNAVAILABLE, 'etcdserver: request timed out', 'peer');
const expired = status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded', 'peer');
const compacted = status(
  Code.OUT_OF_RANGE,
  'etcdserver: mvcc: required revision has been compacted',
  'peer',
);
const isFuture = status(
  Code.OUT_OF_RANGE,
  'etcdserver: mvcc: required revision is a future revision',
  'peer',
);

export interface UnaryServerHost {
  readonly store: Store;
  readonly members: readonly Member[];
  readonly time: SimulatedTime;
  readonly random: Seeded;
  readonly faults: Faults;
  /** No member runs. */
  readonly isDown: boolean;
  /** A transaction is in the log of the store. */
  onCommitted(call: Call): void;
  /** A read of the hub for the current revision has failed. */
  onFenceFailed(): void;
}

export class UnaryServer {
  readonly calls = new Set<ServedCall>();
  readonly #host: UnaryServerHost;

  constructor(host: UnaryServerHost) {
    this.#host = host;
  }

  start(call: Call, request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    const { random, faults, isDown } = this.#host;
    const read = call.method === range ? decodeRead(request) : null;
    const isFence = call.peer.listener === '' && read?.countOnly === true;
    const served = new ServedCall(this.#host, this.calls, call, responses, isFence);
    if (isDown) return served.refuse();
    if (random.chance(faults.failFence)) return this.#fail(served, call, request, read);
    const isSlow = random.chance(faults.delayFence);
    const delay = () => random.below((isSlow ? 300 : faults.networkMsMax) + 1);
    const member = random.pick(this.#host.members);
    this.#host.time.after(delay(), () => {
      if (served.isOver) return;
      if (read === null) this.#commit(served, member, call, request, delay);
      else if (read.isSerializable) this.#read(served, member, call, read, delay);
      else {
        // A linearizable read: the member has what was committed when the request arrived.
        member.whenApplied(this.#host.store.revision, () =>
          this.#read(served, member, call, read, delay),
        );
      }
    });
    return served;
  }

  /** A transaction that fails late may have been committed. */
  #fail(
    served: ServedCall,
    call: Call,
    request: Message<'tenant'>,
    read: ReadSpec | null,
  ): CallHandle {
    const { random, time } = this.#host;
    const delayMs = random.pick([-1, 1, 700]);
    if (delayMs < 0) return served.refuse();
    const mayCommit = read === null && delayMs > 1 && random.chance(0.5);
    if (mayCommit) time.after(1, () => this.#apply(call, request));
    time.after(delayMs, () => served.end(delayMs === 1 ? notSent : timedOut));
    return served;
  }

  #commit(
    served: ServedCall,
    member: Member,
    call: Call,
    request: Message<'tenant'>,
    delay: () => number,
  ): void {
    if (this.#host.isDown) return;
    this.#apply(call, request);
    const { revision } = this.#host.store;
    member.whenApplied(revision, () => {
      const response = new Writer().raw(headerField(member.id, revision)).bool(2, true).finish();
      served.respond(response, delay());
    });
  }

  #apply(call: Call, request: Message<'tenant'>): void {
    const { store, isDown } = this.#host;
    if (isDown) return;
    if (store.commit(tenantOf(call).name, decodeWrite(request))) this.#host.onCommitted(call);
  }

  #read(served: ServedCall, member: Member, call: Call, read: ReadSpec, delay: () => number): void {
    const { revision, compactRevision, id } = member;
    if (read.revision > revision) served.fail(isFuture, delay());
    else if (read.revision > 0 && read.revision < compactRevision) served.fail(compacted, delay());
    else {
      const events = this.#host.store.eventsOf(tenantOf(call).name);
      const body = rangeAt(events, read, read.revision > 0 ? read.revision : revision);
      const response = new Writer().raw(headerField(id, revision)).raw(body).finish();
      served.respond(response, delay());
    }
  }
}

/** A call from its start until the proxy has its end. */
export class ServedCall implements CallHandle {
  isOver = false;
  /** The response is in the network, so the member is not needed any more. */
  isOnTheWay = false;
  readonly #host: UnaryServerHost;
  readonly #calls: Set<ServedCall>;
  readonly #responses: Responses<'tenant'>;
  readonly #isFence: boolean;
  readonly #cancelDeadline: CancelTimer;
  #isPaused = false;
  /** What waits for the end of backpressure. */
  #held: (() => void) | null = null;

  constructor(
    host: UnaryServerHost,
    calls: Set<ServedCall>,
    { deadlineMs }: Call,
    responses: Responses<'tenant'>,
    isFence: boolean,
  ) {
    this.#host = host;
    this.#calls = calls;
    this.#responses = responses;
    this.#isFence = isFence;
    calls.add(this);
    const { time } = host;
    this.#cancelDeadline =
      deadlineMs === Number.POSITIVE_INFINITY
        ? () => {}
        : time.after(deadlineMs - time.nowMs, () => this.end(expired));
  }

  cancel(): void {
    this.#close();
  }

  pauseResponses(): void {
    this.#isPaused = true;
  }

  resumeResponses(): void {
    this.#isPaused = false;
    const held = this.#held;
    this.#held = null;
    held?.();
  }

  /** Ends the call before its caller has the handle. */
  refuse(): CallHandle {
    this.end(notSent);
    return endedCall;
  }

  respond(response: Uint8Array, delayMs: number): void {
    this.isOnTheWay = true;
    this.#host.time.after(delayMs, () => this.#deliver(response));
  }

  fail(why: Status, delayMs: number): void {
    this.isOnTheWay = true;
    this.#host.time.after(delayMs, () => this.end(why));
  }

  end(ended: Status): void {
    if (this.isOver) return;
    this.#close();
    if (this.#isFence && ended.code !== Code.OK) this.#host.onFenceFailed();
    this.#responses.end(ended);
  }

  #deliver(response: Uint8Array): void {
    if (this.isOver) return;
    if (this.#isPaused) {
      this.#held = () => this.#deliver(response);
      return;
    }
    const { random, faults } = this.#host;
    if (!this.#isFence && random.chance(faults.cut)) {
      this.end(lost);
      return;
    }
    this.#responses.deliver(asOwned(response) as never);
    this.end(ok);
  }

  #close(): void {
    this.isOver = true;
    this.#held = null;
    this.#calls.delete(this);
    this.#cancelDeadline();
  }
}
