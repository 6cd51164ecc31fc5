/**
 * One renewal of one lease, and the client requests that it is the response to. Requests join a renewal only until it is
 * sent, so a response always comes from a renewal that began after the request had arrived.
 */
import type { Message, OwnedMessage } from '../call/call.ts';
import type { Status } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { varintField } from '../protobuf/varint-field.ts';

/** The client stream of a request. */
export interface RequestOwner {
  /** `request` has its response or has failed. Throws nothing. */
  onOutcome(request: KeepAliveRequest): void;
}

/** One request on a client stream, a link in the list of its stream. Responses leave in the order of that list. */
export class KeepAliveRequest {
  readonly client: RequestOwner;
  readonly arrivedMs: number;
  renewal: Renewal | null = null;
  /** What etcd responded, or why it did not. At most one of them is set. */
  response: OwnedMessage<'store'> | null = null;
  failure: Status | null = null;
  /** Other requests have the same `response` object, so it is delivered as a shared message. */
  isShared = false;
  /** Link of the list of the client stream. */
  after: KeepAliveRequest | null = null;
  /** Links of the list of the renewal. */
  joinedBefore: KeepAliveRequest | null = null;
  joinedAfter: KeepAliveRequest | null = null;

  constructor(client: RequestOwner, arrivedMs: number) {
    this.client = client;
    this.arrivedMs = arrivedMs;
  }
}

const requestIdField = 1;
const responseIdField = 2;

const none: readonly KeepAliveRequest[] = [];

export class Renewal {
  /** Equal requests are one renewal. */
  readonly request: Message<'store'>;
  /** `hashOf(request)`. */
  readonly hash: number;
  /** It was sent, and its stream is open. */
  isInFlight = false;
  /** The next renewal of the same lease, which waits until this one has its response. */
  next: Renewal | null = null;
  wasSent = false;
  /** When it was sent the last time. */
  sentMs = 0;
  /** Links of the queue. */
  before: Renewal | null = null;
  after: Renewal | null = null;
  /** Client requests in the order of their arrival, linked through themselves: an array would cost more than the renewal. */
  #first: KeepAliveRequest | null = null;
  #last: KeepAliveRequest | null = null;

  constructor(request: Message<'store'>, hash: number) {
    this.request = request;
    this.hash = hash;
  }

  /** Whether a client waits for it. */
  get isWanted(): boolean {
    return this.#first !== null;
  }

  /** Whether several requests wait for it. */
  get isShared(): boolean {
    return this.#first !== this.#last;
  }

  /** `request` must not be part of a renewal. */
  join(request: KeepAliveRequest): void {
    request.renewal = this;
    request.joinedBefore = this.#last;
    if (this.#last === null) this.#first = request;
    else this.#last.joinedAfter = request;
    this.#last = request;
  }

  /** `request` must be part of this renewal. */
  leave(request: KeepAliveRequest): void {
    const { joinedBefore, joinedAfter } = request;
    if (joinedBefore === null) this.#first = joinedAfter;
    else joinedBefore.joinedAfter = joinedAfter;
    if (joinedAfter === null) this.#last = joinedBefore;
    else joinedAfter.joinedBefore = joinedBefore;
    request.joinedBefore = null;
    request.joinedAfter = null;
    request.renewal = null;
  }

  /** Lets the oldest request leave and returns it; null if no request waits. */
  shift(): KeepAliveRequest | null {
    const first = this.#first;
    if (first !== null) this.leave(first);
    return first;
  }

  /** A snapshot of the requests that have arrived by then. */
  arrivedBy(ms: number): readonly KeepAliveRequest[] {
    let request = this.#first;
    if (request === null || request.arrivedMs > ms) return none;
    const arrived: KeepAliveRequest[] = [];
    for (; request !== null; request = request.joinedAfter) {
      if (request.arrivedMs <= ms) arrived.push(request);
    }
    return arrived;
  }

  /** Whether `response` is for this lease. etcd echoes the ID. */
  isRenewedBy(response: Uint8Array): boolean {
    // The same bytes in nearly all cases, which needs no bigint.
    const reader = new Reader(response);
    while (reader.next()) {
      if (reader.field === responseIdField) return this.#hasId(response, reader);
    }
    return !reader.malformed && varintField(this.request, requestIdField) === 0n;
  }

  #hasId(response: Uint8Array, { valueStart, fieldEnd }: Reader): boolean {
    const { request } = this;
    // In a request that consists of the ID alone, the ID is what follows the tag.
    let isSame = request.length === fieldEnd - valueStart + 1;
    for (let i = 1; isSame && i < request.length; i++) {
      isSame = request[i] === response[valueStart + i - 1];
    }
    return (
      isSame || varintField(request, requestIdField) === varintField(response, responseIdField)
    );
  }
}
