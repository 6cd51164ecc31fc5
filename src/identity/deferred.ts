/**
 * A call whose tenant is not known yet, because its token is being verified. What the client does meanwhile is kept and
 * done once it is: it may send a bounded number of bytes, pause, resume, half-close, or go away.
 */
import type { Call, Reply, Requests } from '../call/call.ts';
import type { RefusalName } from '../call/refusals.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { Ongoing } from '../grpc/call.ts';

type Outcome = Tenant | RefusalName;

/** Requests of one stream before its client is asked to wait. */
const earlyBytesMax = 64 << 10;

export class DeferredUnary implements Ongoing {
  #below: Ongoing | null = null;
  #isCancelled = false;
  #isPaused = false;

  /** `start` begins the call, or ends it. `outcome` never rejects. */
  constructor(call: Call, outcome: Promise<Outcome>, start: (outcome: Outcome) => Ongoing) {
    void outcome.then((found) => {
      if (this.#isCancelled) return;
      inRescue(call, () => {
        this.#below = start(found);
        if (this.#isPaused) this.#below.pause();
      });
    });
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#below?.cancel();
  }

  pause(): void {
    this.#isPaused = true;
    this.#below?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#below?.resume();
  }
}

export class DeferredStream implements Requests<'client'> {
  readonly #reply: Reply<'client'>;
  #below: Requests<'client'> | null = null;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #isHalfClosed = false;
  #isCancelled = false;
  #isPaused = false;
  #hasPausedClient = false;

  constructor(
    call: Call,
    reply: Reply<'client'>,
    outcome: Promise<Outcome>,
    start: (outcome: Outcome) => Requests<'client'>,
  ) {
    this.#reply = reply;
    void outcome.then((found) => {
      if (!this.#isCancelled) inRescue(call, () => this.#begin(start(found)));
    });
  }

  message(bytes: Uint8Array): void {
    if (this.#below !== null) {
      this.#below.message(bytes);
      return;
    }
    this.#early.push(bytes);
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes <= earlyBytesMax || this.#hasPausedClient) return;
    this.#hasPausedClient = true;
    this.#reply.pause();
  }

  end(): void {
    this.#isHalfClosed = true;
    this.#below?.end();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#early = [];
    this.#below?.cancel();
  }

  pause(): void {
    this.#isPaused = true;
    this.#below?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#below?.resume();
  }

  /** A stream that was refused, or that ends while its requests are passed on, ignores the rest. */
  #begin(below: Requests<'client'>): void {
    this.#below = below;
    if (this.#isPaused) below.pause();
    for (const bytes of this.#early) if (!this.#isCancelled) below.message(bytes);
    this.#early = [];
    if (this.#isCancelled) return;
    if (this.#isHalfClosed) below.end();
    if (this.#hasPausedClient) this.#reply.resume();
  }
}

/** What goes wrong in a promise's turn ends this call and no other. */
function inRescue(call: Call, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (call.rescuer === null) throw error;
    call.rescuer.onFault(error);
  }
}
