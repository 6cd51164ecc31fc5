/**
 * One call under guard: what unary calls and streams have in common. It asks the breaker, waits in the hold while nothing
 * is connected, sends, judges how each attempt ended, and repeats what is safe to repeat. It never passes two ends up, and
 * after the first answer it repeats nothing.
 *
 * ready ─breaker admits→ held ⇄ sent ─end, time limit, cancel→ over
 *   ↑                             │
 *   └──── one more time ──────────┘
 */
import { type Call, type Etcd, type Responses, tenantOf } from '../call/call.ts';
import { refusal, refusalWith } from '../call/refusals.ts';
import { type Method, method } from '../etcd/methods.ts';
import {
  type BreakerVerdict,
  breakerVerdictAtDeadline,
  classifyForBreaker,
} from '../etcd/outcomes.ts';
import type { CallHandle } from '../grpc/call.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';
import { Deadline, type Deadlines } from '../runtime/deadlines.ts';
import { type Breaker, refused, type Ticket } from './breaker/breaker.ts';
import type { Breakers } from './breaker/breakers.ts';
import type { Held, Hold } from './hold.ts';
import type { RetryBudget } from './retry-budget.ts';

export interface GuardParts {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly breakers: Breakers;
  readonly budget: RetryBudget;
  readonly hold: Hold;
  /** How long a call that was never sent may wait, all its waiting together. 0: not at all. */
  readonly holdMs: number;
  /** The time limit of unary calls whose client set none. Not below etcd's own 7 s, or elections look like hangs. */
  readonly requestTimeoutMs: number;
  /** Called for each retry, for metrics. */
  readonly onRetry: ((method: Method) => void) | null;
}

/** Times a call is offered to an upstream that says it is available and then cannot send it. */
const offersMax = 3;

/** Dropping keepalives would turn a slow cluster into one that deletes its tenants' keys. */
const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

type Stage = 'ready' | 'held' | 'sent' | 'over';

export abstract class GuardedCall<Below extends CallHandle> extends Deadline implements Held {
  protected readonly parts: GuardParts;
  protected readonly next: Etcd<'store'>;
  protected readonly call: Call;
  protected readonly above: Responses<'store'>;
  protected stage: Stage = 'ready';
  /** Null until it was sent, and between two attempts. */
  protected below: Below | null = null;
  /** An answer went up: nothing may be repeated, and whether the call could be served is known. */
  protected hasResponse = false;
  readonly #breaker: Breaker | null;
  #ticket: Ticket = refused;
  /** Attempts sent so far: tells an attempt that is being started from one that replaced it meanwhile. */
  #sends = 0;
  #offersLeft = offersMax;
  /** The attempt has not ended from below. */
  #isOpenBelow = false;
  /** How the first attempt ended, once there is a second one. */
  #firstFailure: Status | null = null;
  #limitMs = Number.POSITIVE_INFINITY;
  #sentMs = 0;
  #holdUntilMs = 0;

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

  /** Sends the request, all that is known of it. */
  protected abstract startAttempt(): Below;
  /** The attempt is under way. */
  protected abstract onStarted(below: Below): void;
  /** The request is still known from its beginning. */
  protected abstract get isRepeatable(): boolean;
  /** Bytes that have to be kept while the call waits. */
  protected abstract get keptBytes(): number;

  /** Call once. `timeoutMs` is the limit where the client set none. */
  begin(timeoutMs: number): void {
    const nowMs = this.parts.clock.nowMs();
    if (this.call.deadlineMs <= nowMs) {
      this.#finish(refusal('deadline-passed'));
      return;
    }
    this.#limitMs = this.#hasOwnDeadline ? this.call.deadlineMs : nowMs + timeoutMs;
    this.parts.budget.deposit();
    this.#attempt(nowMs);
  }

  cancel(): void {
    if (this.stage === 'over') return;
    this.#settle('neutral');
    this.#leave();
    this.#cancelBelow();
  }

  override onDeadline(): void {
    try {
      this.#onDeadline(this.parts.clock.nowMs());
    } catch (error) {
      this.call.fault(error);
    }
  }

  onReleased(): void {
    try {
      this.#offersLeft = offersMax;
      this.#dispatch(this.parts.clock.nowMs());
    } catch (error) {
      this.call.fault(error);
    }
  }

  /** An answer arrived. The first one of a stream says that it could be opened, which is all that its breaker asks. */
  protected onResponse(): void {
    if (this.hasResponse) return;
    this.hasResponse = true;
    if (this.call.method.responseStream) this.#settle('success');
  }

  /** The attempt ended. */
  protected onEnd(status: Status): void {
    this.#isOpenBelow = false;
    this.below = null;
    if (this.stage === 'over') return;
    if (status.code === Code.OK) {
      this.#settle('success');
      this.#finish(status);
      return;
    }
    const nowMs = this.parts.clock.nowMs();
    if (status.origin === 'unsent' && this.#canRepeat && this.#offersLeft > 0) {
      this.#dispatch(nowMs);
      return;
    }
    // The server counts the client's deadline too. One with a newer gRPC library resets the stream then, without a word,
    // and may be first by as much as our timers are coarse: no connection was lost.
    if (status.origin === 'lost' && this.#hasOwnDeadline && nowMs >= this.#limitMs) {
      this.#onDeadline(nowMs);
      return;
    }
    const verdict = classifyForBreaker(status, this.#waitedMs(nowMs));
    this.#settle(verdict);
    if (this.#mayRetry(status, verdict)) {
      this.#firstFailure = status;
      this.#attempt(nowMs);
    } else {
      this.#finish(this.#wordOfPeer(status));
    }
  }

  /** What waits must not take more than its share. */
  protected onKeptTooMuch(): void {
    this.#giveUp('neutral');
  }

  /** How long the cluster alone had for its answer. Where it waits for other clients, that is not known. */
  #waitedMs(nowMs: number): number {
    return this.call.method.waits ? 0 : nowMs - this.#sentMs;
  }

  get #hasOwnDeadline(): boolean {
    return this.call.deadlineMs !== Number.POSITIVE_INFINITY;
  }

  get #canRepeat(): boolean {
    return !this.hasResponse && this.isRepeatable;
  }

  #attempt(nowMs: number): void {
    if (this.#breaker !== null) {
      const { waits } = this.call.method;
      this.#ticket = waits ? this.#breaker.admitWaiting() : this.#breaker.admit();
      if (this.#ticket === refused) {
        const { retryAfterMs } = this.#breaker;
        this.#finish(
          this.#firstFailure === null
            ? refusalWith('breaker-open', ['grpc-retry-pushback-ms', String(retryAfterMs)])
            : this.#wordOfPeer(this.#firstFailure),
        );
        return;
      }
    }
    if (this.#firstFailure !== null) this.parts.onRetry?.(this.call.method);
    this.#dispatch(nowMs);
  }

  #dispatch(nowMs: number): void {
    if (this.parts.hold.isNeeded(this.call.method)) this.#wait(nowMs);
    else this.#send(nowMs);
  }

  #send(nowMs: number): void {
    this.stage = 'sent';
    this.#sentMs = nowMs;
    this.#offersLeft -= 1;
    this.#isOpenBelow = true;
    this.parts.deadlines.add(this, this.#limitMs);
    this.#sends += 1;
    const attempt = this.#sends;
    const below = this.startAttempt();
    // It may have ended meanwhile, and another attempt may have taken its place.
    if (attempt !== this.#sends || !this.#isOpenBelow) return;
    this.below = below;
    if (this.#isOver) this.#cancelBelow();
    else this.onStarted(below);
  }

  #wait(nowMs: number): void {
    this.stage = 'held';
    if (this.#holdUntilMs === 0) this.#holdUntilMs = nowMs + this.parts.holdMs;
    if (nowMs >= this.#holdUntilMs) this.#giveUp('failure');
    else if (!this.parts.hold.keep(this, this.keptBytes)) this.#giveUp('neutral');
    else this.parts.deadlines.add(this, Math.min(this.#limitMs, this.#holdUntilMs));
  }

  /** It was never sent, and waiting is over. */
  #giveUp(verdict: BreakerVerdict): void {
    this.#settle(verdict);
    this.#finish(this.#wordOfPeer(this.#firstFailure));
  }

  #onDeadline(nowMs: number): void {
    const isHeld = this.stage === 'held';
    // First, since whoever hears of the end may throw.
    this.#cancelBelow();
    if (this.#hasOwnDeadline && nowMs >= this.#limitMs) {
      this.#settle(isHeld ? 'neutral' : breakerVerdictAtDeadline(this.#waitedMs(nowMs)));
      this.#finish(refusal('deadline-passed'));
    } else if (isHeld) {
      this.#giveUp('failure');
    } else {
      this.#settle('failure');
      this.#finish(refusal('upstream-timeout'));
    }
  }

  #mayRetry(status: Status, verdict: BreakerVerdict): boolean {
    if (this.call.method.retry !== 'safe' || this.#firstFailure !== null || !this.#canRepeat) {
      return false;
    }
    if (verdict !== 'failure' && verdict !== 'half-failure') return false;
    const { origin, code } = status;
    const mayGoElsewhere = origin === 'lost' || (origin === 'peer' && code === Code.UNAVAILABLE);
    return mayGoElsewhere && this.parts.budget.withdraw();
  }

  /** A peer's status goes up as it came; what we found out ourselves gives way to what a peer has said before. */
  #wordOfPeer(status: Status | null): Status {
    // The transport counts the same deadline as we do, and may be first; its words name the member.
    if (status?.origin === 'proxy' && status.code === Code.DEADLINE_EXCEEDED) {
      return refusal('deadline-passed');
    }
    if (status !== null && (status.origin === 'peer' || status.origin === 'proxy')) return status;
    if (this.#firstFailure?.origin === 'peer') return this.#firstFailure;
    return refusal('upstream-lost');
  }

  /** Each ticket has one vote. */
  #settle(verdict: BreakerVerdict): void {
    this.#breaker?.settle(this.#ticket, verdict);
    this.#ticket = refused;
  }

  #finish(status: Status): void {
    this.#leave();
    this.above.end(status);
  }

  #leave(): void {
    this.stage = 'over';
    this.parts.deadlines.remove(this);
    this.parts.hold.leave(this);
  }

  #cancelBelow(): void {
    const { below } = this;
    if (!this.#isOpenBelow || below === null) return;
    this.#isOpenBelow = false;
    this.below = null;
    below.cancel();
  }

  /** As a getter, since the compiler does not expect `stage` to change during `send`. */
  get #isOver(): boolean {
    return this.stage === 'over';
  }
}
