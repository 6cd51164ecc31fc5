/**
 * Renews the leases of all clients of one kind. The rules:
 *
 * - A response comes from a renewal that was sent after the request had arrived. Requests for a lease that has not been sent
 *   yet share one renewal; at most one renewal per lease is in flight.
 * - Nothing is renewed without a client that waits for it. A renewal whose clients have left is dropped.
 * - A lost stream is replaced, and its renewals are sent again: a renewal is idempotent. Clients notice only if that takes
 *   longer than `requestTimeoutMs`, or `holdMs` while no endpoint takes keepalives.
 * - A renewal that etcd rejects ends the streams of its clients, and no others.
 * - "No leader" ends the streams of all clients that require a leader, unless another member still renews. So that etcd can
 *   report it, one stream is open while there is such a client.
 *
 *   renewal: waiting ─sent→ in flight ─response→ done;  in flight ─stream lost→ waiting
 */
import { builtMessage, type Message, type OwnedMessage } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import { method } from '../etcd/methods.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { CancelTimer } from '../runtime/clock.ts';
import { asOwned } from '../runtime/owned-bytes.ts';
import type { ClientRenewals, ClientStream } from './client-stream.ts';
import type { KeepAliveContext } from './context.ts';
import { type Gatherer, Gathering } from './gathering.ts';
import { type KeepAliveRequest, Renewal } from './renewal.ts';
import { RenewalQueue } from './renewal-queue.ts';
import type { RenewalStream } from './renewal-stream.ts';
import { hashOf, RenewalTable } from './renewal-table.ts';
import { classifyStreamEnd } from './stream-end.ts';
import { type OpenStream, StreamPool, type StreamPoolOwner } from './stream-pool.ts';

const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

export class Renewer implements StreamPoolOwner, ClientRenewals {
  readonly #context: KeepAliveContext;
  readonly #requiresLeader: boolean;
  readonly #clients = new Set<ClientStream>();
  /** The renewal of each lease that is waiting or in flight. */
  readonly #renewals = new RenewalTable();
  readonly #queue = new RenewalQueue();
  readonly #streams: StreamPool;
  readonly #gathering: Gathering;
  #isPumping = false;
  #isClosed = false;
  /** How etcd itself ended a stream since the last response, for clients that do not wait any longer. */
  #lastFailure: Status | null = null;
  #idleSinceMs = 0;
  #tickDueMs = 0;
  #cancelTick: CancelTimer | null = null;

  /** `requiresLeader`: the clients require a leader, and so do the streams. */
  constructor(context: KeepAliveContext, requiresLeader: boolean, openStream: OpenStream) {
    this.#context = context;
    this.#requiresLeader = requiresLeader;
    this.#streams = new StreamPool(context, this, openStream);
    this.#gathering = new Gathering(context);
  }

  add(client: ClientStream): void {
    this.#clients.add(client);
    this.#context.stats.clientStreams += 1;
    this.#tickLater();
  }

  remove(client: ClientStream, first: KeepAliveRequest | null): void {
    if (!this.#clients.delete(client)) return;
    this.#context.stats.clientStreams -= 1;
    if (this.#clients.size === 0) this.#idleSinceMs = this.#context.clock.nowMs();
    for (let request = first; request !== null; request = request.after) {
      const { renewal } = request;
      if (renewal === null) continue;
      renewal.leave(request);
      if (!renewal.isWanted) this.#drop(renewal);
    }
  }

  renew(message: Message<'store'>, request: KeepAliveRequest): void {
    this.#context.stats.requests += 1;
    const hash = hashOf(message);
    const current = this.#renewals.find(message, hash);
    if (current === null) {
      const renewal = newRenewal(message, hash);
      renewal.join(request);
      this.#renewals.add(renewal);
      this.#queue.push(renewal);
      this.#pumpAt(request.arrivedMs);
    } else if (!current.isInFlight) {
      current.join(request);
    } else {
      current.next ??= newRenewal(message, hash);
      current.next.join(request);
    }
  }

  gather(client: Gatherer): void {
    this.#gathering.add(client);
  }

  /** Ends every upstream stream. Clients are ended by the layers above. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTick?.();
    this.#gathering.close();
    this.#streams.closeAll();
  }

  // ---- StreamPoolOwner ----

  onRenewed(stream: RenewalStream, renewal: Renewal, response: OwnedMessage<'store'>): void {
    this.#streams.progressed(stream);
    this.#lastFailure = null;
    this.#finish(renewal);
    const { isShared } = renewal;
    // A client that receives its response may leave, and its other requests leave the renewal with it.
    for (let request = renewal.shift(); request !== null; request = renewal.shift()) {
      request.response = response;
      request.isShared = isShared;
      request.client.onOutcome(request);
    }
    this.#streams.closeRetired(stream);
    this.#pump();
  }

  onStreamEnded(stream: RenewalStream, sent: readonly Renewal[], status: Status): void {
    this.#streams.remove(stream);
    const end = classifyStreamEnd(status);
    if (end === 'renewal') this.#rejectFirst(sent, status);
    else this.#repeat(sent);
    const isFailure = status.origin === 'peer' && status.code !== Code.OK;
    if (end !== 'renewal' && isFailure) this.#lastFailure = status;
    // A rejected renewal says nothing about the member: no backoff, or other leases would wait.
    if (end !== 'renewal' || sent.length === 0) this.#streams.backOff(end === 'lost');
    if (end === 'no-leader' && this.#requiresLeader && !this.#streams.hasConfirmed) {
      for (const client of [...this.#clients]) client.abort(status);
    }
    this.#pump();
  }

  onResumed(): void {
    this.#pump();
  }

  onMayOpen(): void {
    this.#guarded(() => this.#pump());
  }

  onFault(error: unknown): void {
    this.#context.onFault(error);
  }

  // ---- Renewals ----

  /** `renewal` is over. The next one of its lease may be sent. */
  #finish(renewal: Renewal): void {
    const { next } = renewal;
    if (next === null) {
      this.#renewals.remove(renewal);
      return;
    }
    this.#renewals.replace(renewal, next);
    this.#queue.push(next);
  }

  /** No client waits for `renewal` any longer. */
  #drop(renewal: Renewal): void {
    const { request, hash, isInFlight } = renewal;
    const current = this.#renewals.find(request, hash);
    if (current !== renewal) {
      if (current?.next === renewal) current.next = null;
    } else if (isInFlight) {
      // Before its first response a stream may be in the guard's hold, and the renewal must not be sent from there.
      const stream = this.#streams.holding(renewal);
      if (stream === null) return;
      this.#streams.close(stream);
      this.#finish(renewal);
      this.#pump();
    } else {
      this.#renewals.remove(renewal);
      this.#queue.remove(renewal);
    }
  }

  #rejectFirst(sent: readonly Renewal[], status: Status): void {
    const [rejected, ...others] = sent;
    this.#repeat(others);
    if (rejected === undefined) return;
    this.#finish(rejected);
    for (let request = rejected.shift(); request !== null; request = rejected.shift()) {
      this.#fail(request, status);
    }
  }

  /** Ends the stream of a client, after the responses to its earlier requests. */
  #fail(request: KeepAliveRequest, status: Status): void {
    const { renewal } = request;
    renewal?.leave(request);
    if (renewal?.isWanted === false) this.#drop(renewal);
    request.failure = status;
    request.client.onOutcome(request);
  }

  /** Puts renewals that were in flight back in front of the queue. Requests that came later for a lease join. */
  #repeat(sent: readonly Renewal[]): void {
    for (const renewal of sent.toReversed()) {
      if (!renewal.isWanted) {
        this.#finish(renewal);
        continue;
      }
      const { next } = renewal;
      for (let request = next?.shift(); request; request = next?.shift()) renewal.join(request);
      renewal.next = null;
      this.#queue.pushFront(renewal);
    }
  }

  /** Sends what can be sent. */
  #pump(): void {
    if (this.#queue.first !== null) this.#pumpAt(this.#context.clock.nowMs());
  }

  #pumpAt(nowMs: number): void {
    // Sending may end a stream, which leads here again.
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#queue.first !== null) {
        const stream = this.#streams.take(nowMs);
        if (stream === null) return;
        const renewal = this.#queue.shift();
        if (renewal !== null) this.#send(renewal, stream, nowMs);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #send(renewal: Renewal, stream: RenewalStream, nowMs: number): void {
    const { stats } = this.#context;
    stats.renewals += 1;
    if (renewal.wasSent) stats.repetitions += 1;
    renewal.wasSent = true;
    stream.renew(renewal, nowMs);
  }

  // ---- The tick ----

  /** Runs while there are clients or streams. */
  #tickLater(): void {
    if (this.#cancelTick !== null || this.#isClosed) return;
    const { clock, limits } = this.#context;
    this.#tickDueMs = clock.nowMs() + limits.tickMs;
    this.#cancelTick = clock.after(limits.tickMs, () => {
      this.#cancelTick = null;
      this.#guarded(() => this.#tick(clock.nowMs()));
      if (this.#clients.size > 0 || !this.#streams.isEmpty) this.#tickLater();
    });
  }

  #tick(nowMs: number): void {
    this.#repeat(this.#streams.closeStalled(nowMs));
    this.#streams.retireOld(nowMs);
    this.#failLate(nowMs);
    if (this.#isSlow(nowMs)) this.#streams.addForSlow(nowMs);
    else this.#streams.closeSpare(nowMs, this.#isUnused(nowMs));
    this.#pump();
    this.#observeLeader(nowMs);
  }

  /**
   * A stream that requires a leader reports its loss, also for clients without a renewal. After a lost stream there may be an
   * election, during which etcd rejects such a stream.
   */
  #observeLeader(nowMs: number): void {
    if (this.#requiresLeader && this.#clients.size > 0) this.#streams.openIdle(nowMs);
  }

  /** Ends the streams of clients that have waited too long. */
  #failLate(nowMs: number): void {
    const { availability, holdMs, requestTimeoutMs } = this.#context;
    const isAvailable = availability.isAvailable(keepAlive) || availability.isDialing(keepAlive);
    for (const current of this.#renewals.values()) {
      const isHeld = !(current.isInFlight || isAvailable);
      const waitMsMax = isHeld ? Math.min(holdMs, requestTimeoutMs) : requestTimeoutMs;
      const status =
        this.#lastFailure ?? refusal(current.wasSent ? 'upstream-timeout' : 'upstream-lost');
      for (const renewal of [current, current.next]) {
        for (const request of renewal?.arrivedBy(nowMs - waitMsMax) ?? []) {
          this.#fail(request, status);
        }
      }
    }
  }

  /** Renewals wait although etcd has had time to respond to others. A late tick shows that the process itself is slow. */
  #isSlow(nowMs: number): boolean {
    const { tickMs } = this.#context.limits;
    if (this.#queue.first === null || nowMs - this.#tickDueMs >= tickMs / 2) return false;
    return this.#streams.isSlow(nowMs);
  }

  #isUnused(nowMs: number): boolean {
    return this.#clients.size === 0 && nowMs - this.#idleSinceMs >= this.#context.limits.lingerMs;
  }

  /** For work that a timer drives, and that has no call to end with the fault. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#context.onFault(error);
    }
  }
}

/** Of a copy of the request, which may lie in a connection's read buffer. */
function newRenewal(message: Message<'store'>, hash: number): Renewal {
  return new Renewal(builtMessage(asOwned(new Uint8Array(message))), hash);
}
