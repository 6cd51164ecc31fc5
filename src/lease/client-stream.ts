/**
 * One client's LeaseKeepAlive stream. It keeps the order of the client's requests: responses that arrive early wait for those
 * before them. Responses to requests that the client has sent together leave together, if the last one is not late. The stream
 * ends with OK after the last response if the client has half-closed, as etcd does. Backpressure of the client holds its
 * responses here. What is held is bounded: a client with too many requests is paused, and a request that is too large ends the
 * stream.
 */
import type { Call, Message, Requests, Responses } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import { ok, type Status } from '../grpc/status.ts';
import { Deadline } from '../runtime/deadlines.ts';
import type { KeepAliveContext } from './context.ts';
import type { Gatherer } from './gathering.ts';
import { KeepAliveRequest, type RequestOwner } from './renewal.ts';

/** Renews leases for client streams. */
export interface ClientRenewals {
  add(client: ClientStream): void;
  /** The client has left. `first` begins the list of its requests without a delivered response. */
  remove(client: ClientStream, first: KeepAliveRequest | null): void;
  /** `request` waits for a renewal of the lease in `message` that is not sent yet. */
  renew(message: Message<'store'>, request: KeepAliveRequest): void;
  /** `client` has responses to deliver that wait for others. */
  gather(client: Gatherer): void;
}

const noHead = new Uint8Array(0);

export class ClientStream extends Deadline implements Requests<'store'>, RequestOwner, Gatherer {
  readonly #context: KeepAliveContext;
  readonly #renewer: ClientRenewals;
  readonly #call: Call;
  readonly #above: Responses<'store'>;
  /** Requests without a delivered response, oldest first. */
  #first: KeepAliveRequest | null = null;
  #last: KeepAliveRequest | null = null;
  #count = 0;
  /** Requests without a response or a failure. */
  #waiting = 0;
  /** A response waits for others. */
  #isGathering = false;
  #isEnded = false;
  #isHalfClosed = false;
  /** The client applies backpressure. */
  #isPaused = false;
  #hasPausedClient = false;

  constructor(
    context: KeepAliveContext,
    renewer: ClientRenewals,
    call: Call,
    above: Responses<'store'>,
  ) {
    super();
    this.#context = context;
    this.#renewer = renewer;
    this.#call = call;
    this.#above = above;
  }

  /** Call once, before anything else. */
  begin(): void {
    this.#renewer.add(this);
    const { deadlineMs } = this.#call;
    if (deadlineMs <= this.#context.clock.nowMs()) this.#finish(refusal('deadline-passed'));
    else this.#context.deadlines.add(this, deadlineMs);
  }

  send(message: Message<'store'>): void {
    if (this.#isEnded) return;
    if (message.length > this.#context.limits.requestBytesMax) {
      this.abort(refusal('renewal-limit'));
      return;
    }
    const request = new KeepAliveRequest(this, this.#context.clock.nowMs());
    if (this.#last === null) this.#first = request;
    else this.#last.after = request;
    this.#last = request;
    this.#count += 1;
    this.#waiting += 1;
    this.#pauseClient();
    if (!this.#isEnded) this.#renewer.renew(message, request);
  }

  halfClose(): void {
    if (this.#isEnded) return;
    this.#isHalfClosed = true;
    this.#deliver();
  }

  cancel(): void {
    if (!this.#isEnded) this.#leave();
  }

  pauseResponses(): void {
    this.#isPaused = true;
  }

  resumeResponses(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  override onDeadline(): void {
    this.abort(refusal('deadline-passed'));
  }

  /** Ends the stream now, whatever it waits for. Responses that have arrived precede the status. */
  abort(status: Status): void {
    if (this.#isEnded) return;
    try {
      this.#flush();
      if (!this.#isEnded) this.#finish(status);
    } catch (error) {
      this.#call.fault(error);
    }
  }

  /**
   * A client renews its leases together, but their responses arrive one by one. A write for each of them would cost more than
   * all the rest. So they leave together, or after a while if the last one is late.
   */
  onOutcome(request: KeepAliveRequest): void {
    if (this.#isEnded) return;
    this.#waiting -= 1;
    // A paused client cannot send the requests that would be worth waiting for.
    if (this.#waiting === 0 || request.failure !== null || this.#hasPausedClient) {
      this.#deliver();
    } else if (!this.#isGathering) {
      this.#isGathering = true;
      this.#renewer.gather(this);
    }
  }

  onGathered(): void {
    this.#isGathering = false;
    this.#deliver();
  }

  /** Delivers what is next in order. Throws nothing. */
  #deliver(): void {
    if (this.#isEnded) return;
    try {
      this.#flush();
      if (this.#isEnded) return;
      if (this.#isHalfClosed && this.#first === null) this.#finish(ok);
      else this.#pauseClient();
    } catch (error) {
      this.#call.fault(error);
    }
  }

  /** The client may pause, cancel or send while a response is being delivered. */
  #flush(): void {
    for (let request = this.#first; request !== null; request = this.#first) {
      if (this.#isEnded || this.#isPaused) return;
      const { response, failure, isShared } = request;
      if (failure !== null) {
        this.#finish(failure);
        return;
      }
      if (response === null) return;
      this.#first = request.after;
      if (this.#first === null) this.#last = null;
      this.#count -= 1;
      if (isShared) this.#above.deliverShared(noHead, response);
      else this.#above.deliver(response);
    }
  }

  #pauseClient(): void {
    const { requestsPerClientMax } = this.#context.limits;
    // The difference between the two thresholds avoids a pause per request.
    const threshold = this.#hasPausedClient ? requestsPerClientMax / 2 : requestsPerClientMax;
    const mustPause = this.#count >= threshold;
    if (mustPause === this.#hasPausedClient) return;
    this.#hasPausedClient = mustPause;
    if (mustPause) this.#above.pauseRequests();
    else this.#above.resumeRequests();
  }

  #finish(status: Status): void {
    this.#leave();
    this.#above.end(status);
  }

  /** No lease is renewed for this client from here on. */
  #leave(): void {
    this.#isEnded = true;
    this.#context.deadlines.remove(this);
    const first = this.#first;
    this.#first = null;
    this.#last = null;
    this.#renewer.remove(this, first);
  }
}
