/**
 * One renewal of one lease, and the client requests that it is the response to. Requests join a renewal only until it is
 * sent, so a response always comes from a renewal that began after the request had arrived.
 */
import type { Message } from '../call/call.ts';
import type { Status } from '../grpc/status.ts';
import { Int64 } from '../protobuf/int64.ts';
import { Reader } from '../protobuf/reader.ts';
import type { ClientStream } from './client-stream.ts';
import type { RenewalStream } from './renewal-stream.ts';

/** One request on a client stream, a link in the list of its stream. Responses leave in the order of that list. */
export class KeepAliveRequest {
  readonly client: ClientStream;
  readonly arrivedMs: number;
  renewal: Renewal | null = null;
  /** What etcd responded, or why it did not. At most one of them is set. */
  response: Uint8Array | null = null;
  failure: Status | null = null;
  /** Other requests have the same `response` object. */
  isShared = false;
  after: KeepAliveRequest | null = null;

  constructor(client: ClientStream, arrivedMs: number) {
    this.client = client;
    this.arrivedMs = arrivedMs;
  }
}

export class Renewal {
  /** The bytes of the request as a string. Equal requests are one renewal. */
  readonly key: string;
  readonly request: Message<'store'>;
  readonly lease = new Int64();
  /** Empty once every client that wanted it has left. */
  readonly requests: KeepAliveRequest[] = [];
  /** The stream that it was sent on. Null while it waits. */
  stream: RenewalStream | null = null;
  /** The next renewal of the same lease, which waits until this one has its response. */
  next: Renewal | null = null;
  wasSent = false;
  /** etcd's text of the newest failed attempt, for clients that do not wait any longer. */
  lastFailure: Status | null = null;
  /** Links of the queue. */
  before: Renewal | null = null;
  after: Renewal | null = null;

  constructor(key: string, request: Message<'store'>) {
    this.key = key;
    this.request = request;
    readLease(request, 1, this.lease);
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
    if (!readLease(response, 2, scratch)) return false;
    const { low, high, isNegative } = this.lease;
    return scratch.low === low && scratch.high === high && scratch.isNegative === isNegative;
  }
}

const scratch = new Int64();
const zero = Uint8Array.of(0);

/** Reads the lease ID at `field`, 0 if absent. Returns false for a malformed message. */
export function readLease(message: Uint8Array, field: number, id: Int64): boolean {
  id.read(zero, 0, 1);
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field !== field) continue;
    if (reader.wireType !== 0 || !id.read(message, reader.valueStart, reader.fieldEnd))
      return false;
  }
  return !reader.malformed;
}
