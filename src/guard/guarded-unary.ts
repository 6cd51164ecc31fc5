/**
 * A unary call under guard. Its request is one message, which cannot be paused. A large response is paused below while the
 * client does not read. Before the call is sent, it takes its turn twice: in the queue of large reads, if its response is
 * expected to be large, and in the queue of all calls. Calls that wait for other clients (Lock, Campaign) take no turns.
 */
import { type Call, type Etcd, type Message, type Responses, tenantOf } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import type { CallHandle } from '../grpc/call.ts';
import type { FairQueue, QueuedCall } from './fair-queue.ts';
import type { GuardParts } from './guard-parts.ts';
import { GuardedCall } from './guarded-call.ts';
import { returnsKeyValues } from './read-sizes.ts';

/** A call waits no longer than this while too many calls are in flight. Then it is rejected. */
const queuedMsMax = 5_000;

export class GuardedUnary extends GuardedCall<CallHandle> implements CallHandle, QueuedCall {
  readonly #request: Message<'store'>;
  #isPaused = false;
  /** The queue that the call waits in. */
  #waitsIn: FairQueue | null = null;
  /** The call counts as one in flight. */
  #isInFlight = false;
  /** What the call weighs in the queue of large reads. 0 if it has not entered it. */
  #readWeight = 0;

  constructor(
    parts: GuardParts,
    next: Etcd<'store'>,
    call: Call,
    request: Message<'store'>,
    above: Responses<'store'>,
  ) {
    super(parts, next, call, above);
    this.#request = request;
  }

  override pauseRequests(): void {}
  override resumeRequests(): void {}

  pauseResponses(): void {
    this.#isPaused = true;
    this.below?.pauseResponses();
  }

  resumeResponses(): void {
    this.#isPaused = false;
    this.below?.resumeResponses();
  }

  get weight(): number {
    return this.#waitsIn === this.parts.queue ? 1 : this.#expectedBytes(this.parts.clock.nowMs());
  }

  get entersAlone(): boolean {
    if (this.#waitsIn === this.parts.queue) return false;
    return !this.parts.readSizes.knows(tenantOf(this.call).state);
  }

  onTurn(weight: number): void {
    try {
      if (this.#waitsIn === this.parts.queue) this.#isInFlight = true;
      else this.#readWeight = weight;
      this.#waitsIn = null;
      this.dispatch(this.parts.clock.nowMs());
    } catch (error) {
      this.call.fault(error);
    }
  }

  protected override startAttempt(): CallHandle {
    return this.next.unary(this.call, this.#request, this);
  }

  protected override onStarted(below: CallHandle): void {
    if (this.#isPaused) below.pauseResponses();
  }

  protected override get isUnread(): boolean {
    return this.#isPaused;
  }

  protected override get canResend(): boolean {
    return true;
  }

  protected override takeTurn(nowMs: number): boolean {
    const { method } = this.call;
    if (method.waits || this.#isInFlight) return true;
    if (returnsKeyValues(method) && this.#readWeight === 0 && !this.#enterReads(nowMs))
      return false;
    const { queue } = this.parts;
    if (queue.enter(tenantOf(this.call).state, 1)) {
      this.#isInFlight = true;
      return true;
    }
    this.queued(nowMs + queuedMsMax, refusal('in-flight-limit'));
    this.#enqueue(queue);
    return false;
  }

  protected override giveTurn(): void {
    const { queue, reads } = this.parts;
    const waitsIn = this.#waitsIn;
    const isInFlight = this.#isInFlight;
    const readWeight = this.#readWeight;
    // First, because calls that are let go may end this one again.
    this.#waitsIn = null;
    this.#isInFlight = false;
    this.#readWeight = 0;
    waitsIn?.remove(this);
    const { state } = tenantOf(this.call);
    if (isInFlight) queue.leave(state, 1);
    if (readWeight > 0) reads.leave(state, readWeight);
  }

  protected override get requestBytes(): number {
    return this.#request.length;
  }

  protected override onResponse(bytes: number): void {
    super.onResponse(bytes);
    const { method } = this.call;
    if (!returnsKeyValues(method)) return;
    const { readSizes, clock } = this.parts;
    readSizes.learn(tenantOf(this.call).state, method, this.#request, bytes, clock.nowMs());
  }

  /** Returns false if the call has to wait for other large reads, or has ended. */
  #enterReads(nowMs: number): boolean {
    const { reads, readSizes } = this.parts;
    const { state } = tenantOf(this.call);
    const weight = this.#expectedBytes(nowMs);
    if (weight === 0) return true;
    if (reads.enter(state, weight, !readSizes.knows(state))) {
      this.#readWeight = weight;
      return true;
    }
    this.queued(Number.POSITIVE_INFINITY, refusal('read-limit'));
    this.#enqueue(reads);
    return false;
  }

  #expectedBytes(nowMs: number): number {
    const { state } = tenantOf(this.call);
    return this.parts.readSizes.weightOf(state, this.call.method, this.#request, nowMs);
  }

  #enqueue(queue: FairQueue): void {
    this.#waitsIn = queue;
    if (!queue.enqueue(this, tenantOf(this.call).state, this.requestBytes)) this.endQueued();
  }
}
