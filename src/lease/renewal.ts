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
  /** A request of the stream has its response or has failed. Throws nothing. */
  onOutcome(): void;
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
  after: KeepAliveRequest | null = null;

  constructor(client: RequestOwner, arrivedMs: number) {
    this.client = client;
    this.arrivedMs = arrivedMs;
  }
}

const requestIdField = 1;
const responseIdField = 2;

export class Renewal {
  /** The bytes of the request as a string. Equal requests are one renewal. */
  readonly key: string;
  readonly request: Message<'store'>;
  /** Empty once every client that wanted it has left. */
  readonly requests: KeepAliveRequest[] = [];
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

  constructor(key: string, request: Message<'store'>) {
    this.key = key;
    this.request = request;
  }

  join(request: KeepAliveRequest): void {
    request.renewal = this;
    this.requests.push(request);
  }

  leave(request: KeepAliveRequest): void {
    const index = this.requests.indexOf(request);
    if (index >= 0) this.requests.splice(index, 1);
    request.renewal = null;
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
