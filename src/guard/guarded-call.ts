/**
 * One call under guard: the common part of unary calls and streams. It takes a ticket from the breaker, waits in the hold while
 * no endpoint is available, and, if it is unary, for its turn. It classifies the end of each attempt, and sends again if that is
 * safe. After the first response nothing is sent again. One object is the handle of the layer above and the response sink of each
 * attempt.
 *
 * ready ─breaker admits→ waiting ⇄ queued → sent ─end, time limit, cancel→ ended
 *   ↑                       ↑                 │
 *   └──────── retry ────────┴──── unsent ─────┘
 */
import {
  type Call,
  type Etcd,
  type Message,
  type OwnedMessage,
  type Responses,
  tenantOf,
} from '../call/call.ts';
import { refusal, refusalWith } from '../call/refusals.ts';
import { method } from '../etcd/methods.ts';
import {
  type BreakerVerdict,
  breakerVerdictAtDeadline,
  classifyForBreaker,
} from '../etcd/outcomes.ts';
import type { CallHandle } from '../grpc/call.ts';
import { Code, type Status } from '../grpc/status.ts';
import { Deadline } from '../runtime/deadlines.ts';
import { type Breaker, refused, type Ticket } from './breaker/breaker.ts';
import type { GuardParts } from './guard-parts.ts';
import type { WaitingCall } from './hold.ts';

/** A call waits no longer than this for a stream to end: the streams that fill the connections may stay open for good. */
const fullMsMax = 1_000;
/** How long a call waits at least while its connection to a working endpoint is being dialed, also if calls are not held. */
const dialingMsMin = 2_000;

/** How often a call is passed to an upstream that reports that it is available and then cannot send the call. */
const sendsMax = 3;

/** Keepalives have no breaker: rejected keepalives let leases expire, and etcd deletes their keys. */
const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

type Stage = 'ready' | 'waiting' | 'queued' | 'sent' | 'ended';

export abstract class GuardedCall<Below extends CallHandle>
  extends Deadline
  implements Responses<'store'>, WaitingCall
{
  protected readonly parts: GuardParts;
  protected readonly next: Etcd<'store'>;
  protected readonly call: Call;
  protected readonly above: Responses<'store'>;
  protected stage: Stage = 'ready';
  /** Null before the first attempt and between attempts. */
  protected below: Below | null = null;
  protected hasResponse = false;
  readonly #breaker: Breaker | null;
  #ticket: Ticket = refused;
  /** Attempts so far. Distinguishes an attempt that is being started from one that has replaced it. */
  #attempts = 0;
  #sendsLeft = sendsMax;
  /** The current attempt has not ended. */
  #isOpenBelow = false;
  /** How the first attempt ended, if there is a second one. */
  #firstFailure: Status | null = null;
  #limitMs = Number.POSITIVE_INFINITY;
  #timeoutMs = Number.POSITIVE_INFINITY;
  #sentMs = 0;
  #holdUntilMs = 0;
  /** How the call ends if its turn does not come in time. */
  #queueRejection: Status | null = null;

  constructor(parts: GuardParts, next: Etcd<'store'>, call: Call, above: Responses<'store'>) {
    super();
    this.parts = parts;
    this.next = next;
    this.call = call;
    this.above = above;
    this.#breaker =
      call.method === keepAlive
        ? null
        : parts.breakers.of(tenantOf(call).state, call.method.breaker);
  }

  abstract pauseRequests(): void;
  abstract resumeRequests(): void;
  /** Starts the call below. It may end before this returns. */
  protected abstract startAttempt(): Below;
  /** Called after `startAttempt`, unless the attempt has ended. */
  protected abstract onStarted(below: Below): void;
  /** Whether the request is still complete, from its first byte. */
  protected abstract get canResend(): boolean;
  /** Returns true if the call may be sent now. Otherwise it has ended, or is queued and calls `dispatch` when its turn comes. */
  protected abstract takeTurn(nowMs: number): boolean;
  /** The call waits in the hold, or has ended. Lets other calls go. */
  protected abstract giveTurn(): void;
  /** Whether the client does not read, so that the cluster may not be the cause of a missing response. */
  protected get isUnread(): boolean {
    return false;
  }

  /** Request bytes that the call keeps in memory while it waits. */
  protected abstract get requestBytes(): number;

  /** Call once. `timeoutMs` is the limit of calls without a client deadline. */
  begin(timeoutMs: number): void {
    const nowMs = this.parts.clock.nowMs();
    if (this.call.deadlineMs <= nowMs) {
      this.#endWith(refusal('deadline-passed'));
      return;
    }
    this.#timeoutMs = timeoutMs;
    this.#limitMs = this.#hasClientDeadline ? this.call.deadlineMs : nowMs + timeoutMs;
    this.parts.budget.deposit();
    this.#attempt(nowMs);
  }

  cancel(): void {
    if (this.stage === 'ended') return;
    this.#settle('neutral');
    this.#release();
    this.#cancelBelow();
  }

  deliver(message: OwnedMessage<'store'>): void {
    if (this.stage === 'ended') return;
    try {
      this.onResponse(message.length);
      this.above.deliver(message);
    } catch (error) {
      this.call.fault(error);
    }
  }

  deliverShared(head: Uint8Array, tail: Message<'store'>): void {
    if (this.stage === 'ended') return;
    try {
      this.onResponse(head.length + tail.length);
      this.above.deliverShared(head, tail);
    } catch (error) {
      this.call.fault(error);
    }
  }

  /** Ends the current attempt. */
  end(status: Status): void {
    try {
      this.onEnd(status);
    } catch (error) {
      this.call.fault(error);
    }
  }

  override onDeadline(): void {
    try {
      this.#onDeadline(this.parts.clock.nowMs());
    } catch (error) {
      this.call.fault(error);
    }
  }

  resume(): void {
    try {
      this.#sendsLeft = sendsMax;
      this.dispatch(this.parts.clock.nowMs());
    } catch (error) {
      this.call.fault(error);
    }
  }

  /** For the breaker the first response of a stream is a success, because only the opening of a stream counts. */
  protected onResponse(_bytes: number): void {
    if (this.hasResponse) return;
    this.hasResponse = true;
    if (this.call.method.responseStream) this.#settle('success');
  }

  protected onEnd(status: Status): void {
    this.#isOpenBelow = false;
    this.below = null;
    if (this.stage === 'ended') return;
    if (status.code === Code.OK) {
      this.#settle('success');
      this.#endWith(status);
      return;
    }
    const nowMs = this.parts.clock.nowMs();
    if (status.origin === 'unsent' && this.#mayResend && this.#sendsLeft > 0) {
      this.dispatch(nowMs);
      return;
    }
    // A server with a newer gRPC library enforces the client's deadline by a reset, which may arrive before the coarse timer
    // here expires. The connection was not lost.
    if (status.origin === 'lost' && this.#hasClientDeadline && nowMs >= this.#limitMs) {
      this.#onDeadline(nowMs);
      return;
    }
    const verdict = classifyForBreaker(status, this.#waitedMs(nowMs));
    this.#settle(verdict);
    if (this.#mayRetry(status, verdict)) {
      this.#firstFailure = status;
      this.#attempt(nowMs);
    } else {
      this.#endWith(this.#statusForClient(status));
    }
  }

  /** Ends a call that was never sent. */
  protected endUnsent(verdict: BreakerVerdict): void {
    this.#settle(verdict);
    this.#endWith(this.#statusForClient(this.#firstFailure));
  }

  /** How long the cluster had for its response. 0 if that is not known: the method waits for other clients, or is unread. */
  #waitedMs(nowMs: number): number {
    return this.call.method.waits || this.isUnread ? 0 : nowMs - this.#sentMs;
  }

  get #hasClientDeadline(): boolean {
    return this.call.deadlineMs !== Number.POSITIVE_INFINITY;
  }

  get #mayResend(): boolean {
    return !this.hasResponse && this.canResend;
  }

  #attempt(nowMs: number): void {
    if (this.#breaker !== null) {
      const { waits } = this.call.method;
      this.#ticket = waits ? this.#breaker.admitWaiting() : this.#breaker.admit();
      if (this.#ticket === refused) {
        const { retryAfterMs } = this.#breaker;
        this.#endWith(
          this.#firstFailure === null
            ? refusalWith('breaker-open', ['grpc-retry-pushback-ms', String(retryAfterMs)])
            : this.#statusForClient(this.#firstFailure),
        );
        return;
      }
    }
    if (this.#firstFailure !== null) this.parts.onRetry?.(this.call.method);
    this.dispatch(nowMs);
  }

  /** Sends the call, or lets it wait for an endpoint or for its turn. */
  protected dispatch(nowMs: number): void {
    if (this.parts.hold.isNeeded(this.call.method)) this.#wait(nowMs);
    else if (this.takeTurn(nowMs)) this.#send(nowMs);
  }

  /** The call waits for its turn until `untilMs` at most, and is then rejected. */
  protected queued(untilMs: number, rejection: Status): void {
    this.stage = 'queued';
    this.#queueRejection = rejection;
    this.parts.deadlines.add(this, Math.min(this.#limitMs, untilMs));
  }

  /** The queue is full, or the call has waited too long in it. */
  protected endQueued(): void {
    this.#settle('neutral');
    if (this.#queueRejection !== null) this.#endWith(this.#queueRejection);
  }

  #send(nowMs: number): void {
    // The cluster is not the cause of the time in the queue.
    const wasQueued = this.stage === 'queued';
    if (wasQueued && !this.#hasClientDeadline) this.#limitMs = nowMs + this.#timeoutMs;
    this.stage = 'sent';
    this.#sentMs = nowMs;
    this.#sendsLeft -= 1;
    this.#isOpenBelow = true;
    this.parts.deadlines.add(this, this.#limitMs);
    this.#attempts += 1;
    const attempt = this.#attempts;
    const below = this.startAttempt();
    // The attempt may have ended meanwhile, and another one may have replaced it.
    if (attempt !== this.#attempts || !this.#isOpenBelow) return;
    this.below = below;
    if (this.#isEnded) this.#cancelBelow();
    else this.onStarted(below);
  }

  #wait(nowMs: number): void {
    this.stage = 'waiting';
    this.giveTurn();
    if (this.#holdUntilMs === 0) {
      this.#holdUntilMs = nowMs + this.#holdMs;
    }
    if (nowMs >= this.#holdUntilMs) this.#endWaiting();
    else if (!this.parts.hold.enqueue(this, this.requestBytes)) this.endUnsent('neutral');
    else this.parts.deadlines.add(this, Math.min(this.#limitMs, this.#holdUntilMs));
  }

  get #holdMs(): number {
    const { holdMs, hold } = this.parts;
    if (this.#isFull) return Math.min(holdMs, fullMsMax);
    return hold.isDialing(this.call.method) ? Math.max(holdMs, dialingMsMin) : holdMs;
  }

  /** The time in the hold is over. */
  #endWaiting(): void {
    if (!this.#isFull) this.endUnsent('failure');
    else {
      this.#settle('neutral');
      this.#endWith(refusal('stream-limit'));
    }
  }

  get #isFull(): boolean {
    return this.#firstFailure === null && this.parts.hold.isFull(this.call.method);
  }

  #onDeadline(nowMs: number): void {
    const isWaiting = this.stage === 'waiting' || this.stage === 'queued';
    const isQueued = this.stage === 'queued';
    // First, because the layer above may throw when the call ends.
    this.#cancelBelow();
    if (this.#hasClientDeadline && nowMs >= this.#limitMs) {
      this.#settle(isWaiting ? 'neutral' : breakerVerdictAtDeadline(this.#waitedMs(nowMs)));
      this.#endWith(refusal('deadline-passed'));
    } else if (isQueued) {
      this.endQueued();
    } else if (isWaiting) {
      this.#endWaiting();
    } else {
      this.#settle(this.isUnread ? 'neutral' : 'failure');
      this.#endWith(refusal(this.isUnread ? 'message-memory' : 'upstream-timeout'));
    }
  }

  #mayRetry(status: Status, verdict: BreakerVerdict): boolean {
    if (this.call.method.retry !== 'safe' || this.#firstFailure !== null || !this.#mayResend) {
      return false;
    }
    if (verdict !== 'failure' && verdict !== 'half-failure') return false;
    const { origin, code } = status;
    const isOfEndpoint = origin === 'lost' || (origin === 'peer' && code === Code.UNAVAILABLE);
    return isOfEndpoint && this.parts.budget.withdraw();
  }

  /** A status of etcd passes unchanged. It takes precedence over a lost connection of the other attempt. */
  #statusForClient(status: Status | null): Status {
    // The transport enforces the same deadline. Its status has no reason trailer, and grpc-js names the member in the text.
    if (status?.origin === 'proxy' && status.code === Code.DEADLINE_EXCEEDED) {
      return refusal('deadline-passed');
    }
    if (status !== null && (status.origin === 'peer' || status.origin === 'proxy')) return status;
    if (this.#firstFailure?.origin === 'peer') return this.#firstFailure;
    return refusal('upstream-lost');
  }

  /** Reports to the breaker, once per ticket. */
  #settle(verdict: BreakerVerdict): void {
    this.#breaker?.settle(this.#ticket, verdict);
    this.#ticket = refused;
  }

  #endWith(status: Status): void {
    this.#release();
    this.above.end(status);
  }

  #release(): void {
    this.stage = 'ended';
    this.parts.deadlines.remove(this);
    this.parts.hold.remove(this);
    this.giveTurn();
  }

  #cancelBelow(): void {
    const { below } = this;
    if (!this.#isOpenBelow || below === null) return;
    this.#isOpenBelow = false;
    this.below = null;
    below.cancel();
  }

  /** A getter, because the compiler assumes that `stage` does not change during `#send`. */
  get #isEnded(): boolean {
    return this.stage === 'ended';
  }
}
