/**
 * One LeaseKeepAlive stream to etcd that carries the renewals of many clients. etcd handles the requests of a stream one at a
 * time, in order, so a response or a failure belongs to the oldest renewal without one.
 */
import {
  type FaultHandler,
  type Message,
  type OwnedMessage,
  ownedCopy,
  type Requests,
  type Responses,
} from '../call/call.ts';
import { endedCall } from '../grpc/call.ts';
import { Code, type Status, status } from '../grpc/status.ts';
import type { KeepAliveLimits } from './limits.ts';
import type { Renewal } from './renewal.ts';
import { RenewalQueue } from './renewal-queue.ts';

export interface RenewalStreamOwner {
  onRenewed(stream: RenewalStream, renewal: Renewal, response: OwnedMessage<'store'>): void;
  /** The stream has ended; `sent` has its renewals without a response, oldest first. Called once, never after `close`. */
  onStreamEnded(stream: RenewalStream, sent: readonly Renewal[], status: Status): void;
  /** The stream takes renewals again. */
  onResumed(): void;
  onFault(error: unknown): void;
}

const mismatched = status(Code.INTERNAL, 'a keepalive response for another lease', 'lost');
const faulty = status(Code.INTERNAL, 'a fault in the proxy', 'lost');

export class RenewalStream implements Responses<'store'>, FaultHandler {
  readonly openedMs: number;
  /** When it last made progress: opened, had its first renewal after a while, or received a response. */
  progressMs: number;
  /** It takes no more renewals and is closed after its last response. */
  isRetiring = false;
  readonly #owner: RenewalStreamOwner;
  #requests: Requests<'store'> = endedCall;
  /** Renewals without a response. */
  readonly #sent = new RenewalQueue();
  /** Renewals in flight start with one and grow with the responses, so that a burst is spread over the streams. */
  #responses = 0;
  #isPaused = false;
  #isEnded = false;

  constructor(owner: RenewalStreamOwner, nowMs: number) {
    this.#owner = owner;
    this.openedMs = nowMs;
    this.progressMs = nowMs;
  }

  /** Renewals without a response. */
  get sentCount(): number {
    return this.#sent.length;
  }

  /** Whether `renewal` is its only one without a response. */
  hasOnly(renewal: Renewal): boolean {
    return this.#sent.length === 1 && this.#sent.first === renewal;
  }

  /** It has received a response, so it reaches a member. */
  get isConfirmed(): boolean {
    return this.#responses > 0;
  }

  takes({ renewalsPerStreamMax, slowMs }: KeepAliveLimits, nowMs: number): boolean {
    if (this.#isEnded || this.#isPaused || this.isRetiring) return false;
    if (this.#sent.length >= Math.min(renewalsPerStreamMax, 1 + 2 * this.#responses)) return false;
    return this.inFlightMs(nowMs) < slowMs;
  }

  /** For how long its oldest renewal has been in flight. */
  inFlightMs(nowMs: number): number {
    const { first } = this.#sent;
    return first === null ? 0 : nowMs - first.sentMs;
  }

  attach(requests: Requests<'store'>): void {
    this.#requests = requests;
    if (this.#isEnded) requests.cancel();
  }

  renew(renewal: Renewal, nowMs: number): void {
    if (this.#sent.length === 0) this.progressMs = nowMs;
    this.#sent.push(renewal);
    renewal.isInFlight = true;
    renewal.sentMs = nowMs;
    this.#requests.send(renewal.request);
  }

  /** Ends the stream and returns its renewals without a response, oldest first. */
  close(): readonly Renewal[] {
    const sent = this.#takeSent();
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#requests.cancel();
    }
    return sent;
  }

  deliver(message: OwnedMessage<'store'>): void {
    if (this.#isEnded) return;
    const renewal = this.#sent.first;
    if (renewal === null || !renewal.isRenewedBy(message)) {
      this.#fail(mismatched);
      return;
    }
    this.#sent.shift();
    this.#responses += 1;
    renewal.isInFlight = false;
    this.#owner.onRenewed(this, renewal, message);
  }

  deliverShared(head: Uint8Array, tail: Message<'store'>): void {
    this.deliver(ownedCopy(head, tail));
  }

  end(ended: Status): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#owner.onStreamEnded(this, this.#takeSent(), ended);
  }

  pauseRequests(): void {
    this.#isPaused = true;
  }

  resumeRequests(): void {
    this.#isPaused = false;
    if (!this.#isEnded) this.#owner.onResumed();
  }

  onFault(error: unknown): void {
    this.#owner.onFault(error);
    if (!this.#isEnded) this.#fail(faulty);
  }

  #fail(why: Status): void {
    this.#isEnded = true;
    this.#requests.cancel();
    this.#owner.onStreamEnded(this, this.#takeSent(), why);
  }

  #takeSent(): readonly Renewal[] {
    const sent = this.#sent.takeAll();
    for (const renewal of sent) renewal.isInFlight = false;
    return sent;
  }
}
