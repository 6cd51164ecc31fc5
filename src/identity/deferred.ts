/**
 * A call whose tenant is not known yet, because its token is being verified. What the client does meanwhile is kept and
 * done once it is: it may send a bounded number of bytes, pause, resume, half-close, or go away.
 */
import type { Call, Message, Requests, Responses } from '../call/call.ts';
import type { RefusalName } from '../call/refusals.ts';
import type { CallHandle } from '../grpc/call.ts';
import type { Tenant } from '../tenant/tenant.ts';

type Outcome = Tenant | RefusalName;

/** Requests of one stream before its client is asked to wait. */
const earlyBytesMax = 64 << 10;

export class DeferredUnary implements CallHandle {
  #below: CallHandle | null = null;
  #isCancelled = false;
  #isPaused = false;

  /** `start` begins the call, or ends it. `outcome` never rejects. */
  constructor(call: Call, outcome: Promise<Outcome>, start: (outcome: Outcome) => CallHandle) {
    void outcome.then((found) => {
      if (this.#isCancelled) return;
      guarded(call, () => {
        this.#below = start(found);
        if (this.#isPaused) this.#below.pauseResponses();
      });
    });
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#below?.cancel();
  }

  pauseResponses(): void {
    this.#isPaused = true;
    this.#below?.pauseResponses();
  }

  resumeResponses(): void {
    this.#isPaused = false;
    this.#below?.resumeResponses();
  }
}

export class DeferredStream implements Requests<'client'> {
  readonly #reply: Responses<'client'>;
  #below: Requests<'client'> | null = null;
  #early: Message<'client'>[] = [];
  #earlyBytes = 0;
  #isHalfClosed = false;
  #isCancelled = false;
  #isPaused = false;
  #hasPausedClient = false;

  constructor(
    call: Call,
    reply: Responses<'client'>,
    outcome: Promise<Outcome>,
    start: (outcome: Outcome) => Requests<'client'>,
  ) {
    this.#reply = reply;
    void outcome.then((found) => {
      if (!this.#isCancelled) guarded(call, () => this.#begin(start(found)));
    });
  }

  send(message: Message<'client'>): void {
    if (this.#below !== null) {
      this.#below.send(message);
      return;
    }
    this.#early.push(message);
    this.#earlyBytes += message.length;
    if (this.#earlyBytes <= earlyBytesMax || this.#hasPausedClient) return;
    this.#hasPausedClient = true;
    this.#reply.pauseRequests();
  }

  halfClose(): void {
    this.#isHalfClosed = true;
    this.#below?.halfClose();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#early = [];
    this.#below?.cancel();
  }

  pauseResponses(): void {
    this.#isPaused = true;
    this.#below?.pauseResponses();
  }

  resumeResponses(): void {
    this.#isPaused = false;
    this.#below?.resumeResponses();
  }

  /** A stream that was refused, or that ends while its requests are passed on, ignores the rest. */
  #begin(below: Requests<'client'>): void {
    this.#below = below;
    if (this.#isPaused) below.pauseResponses();
    for (const message of this.#early) if (!this.#isCancelled) below.send(message);
    this.#early = [];
    if (this.#isCancelled) return;
    if (this.#isHalfClosed) below.halfClose();
    if (this.#hasPausedClient) this.#reply.resumeRequests();
  }
}

/** Runs a step that a promise drives, so that a fault ends this call and no other. */
function guarded(call: Call, step: () => void): void {
  try {
    step();
  } catch (error) {
    call.fault(error);
  }
}
