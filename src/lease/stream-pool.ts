/**
 * The upstream streams of one renewer. It opens a stream when all are busy, more of them while etcd is slow, and none during
 * the backoff after a lost one. It closes stalled, old and spare streams. What was sent on them is the renewer's to repeat.
 */
import type { Requests } from '../call/call.ts';
import { method } from '../etcd/methods.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { CancelTimer } from '../runtime/clock.ts';
import type { KeepAliveContext } from './context.ts';
import type { Renewal } from './renewal.ts';
import { RenewalStream, type RenewalStreamOwner } from './renewal-stream.ts';

const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

/** Starts the upstream call of a stream. The stream may end before this returns. */
export type OpenStream = (stream: RenewalStream) => Requests<'store'>;

export interface StreamPoolOwner extends RenewalStreamOwner {
  /** A timer or the upstream reports that a stream may be opened again. */
  onMayOpen(): void;
}

export class StreamPool {
  readonly #context: KeepAliveContext;
  readonly #owner: StreamPoolOwner;
  readonly #openStream: OpenStream;
  readonly #streams: RenewalStream[] = [];
  readonly #backoff: Backoff;
  #isClosed = false;
  /** No stream is opened before. */
  #openAtMs = 0;
  /** No stream is opened beside a working one before: it may reach the member that has just failed. */
  #spareAtMs = 0;
  /** No stream is opened without a renewal before: an election rejects streams that require a leader. */
  #idleAtMs = 0;
  #stallMs: number;
  #cancelBackoff: CancelTimer = () => {};

  constructor(context: KeepAliveContext, owner: StreamPoolOwner, openStream: OpenStream) {
    this.#context = context;
    this.#owner = owner;
    this.#openStream = openStream;
    const { backoffMsMin: firstMs, backoffMsMax: maxMs, stallMsMin } = context.limits;
    this.#backoff = new Backoff(context.random, { firstMs, maxMs });
    this.#stallMs = stallMsMin;
    context.availability.onAvailable(() => {
      this.#openAtMs = 0;
      this.#spareAtMs = 0;
      owner.onMayOpen();
    });
  }

  get isEmpty(): boolean {
    return this.#streams.length === 0;
  }

  /** Whether a stream has received a response. */
  get hasConfirmed(): boolean {
    return this.#streams.some(({ isConfirmed }) => isConfirmed);
  }

  /** Returns the stream for the next renewal, opened if all others are busy. Null if none takes renewals. */
  take(nowMs: number): RenewalStream | null {
    const stream = this.#leastBusy(nowMs);
    if (stream?.sentCount === 0 || !this.#mayOpen(nowMs)) return stream;
    this.#open(nowMs);
    return this.#leastBusy(nowMs);
  }

  /** Returns the stream on which `renewal` may still be in the guard's hold: without a response so far, and with nothing else. */
  holding(renewal: Renewal): RenewalStream | null {
    return this.#streams.find((each) => !each.isConfirmed && each.hasOnly(renewal)) ?? null;
  }

  /** `stream` has ended. */
  remove(stream: RenewalStream): void {
    const index = this.#streams.indexOf(stream);
    if (index < 0) return;
    this.#streams.splice(index, 1);
    this.#context.stats.upstreamStreams -= 1;
  }

  /** Returns the renewals of `stream` without a response, oldest first. */
  close(stream: RenewalStream): readonly Renewal[] {
    this.remove(stream);
    return stream.close();
  }

  /** No stream is opened from here on. */
  closeAll(): void {
    this.#isClosed = true;
    this.#cancelBackoff();
    for (const stream of [...this.#streams]) this.close(stream);
  }

  /** A stream has received a response. */
  progressed(stream: RenewalStream): void {
    stream.progressMs = this.#context.clock.nowMs();
    this.#backoff.reset();
    this.#stallMs = this.#context.limits.stallMsMin;
  }

  /** Opens a stream without a renewal for it, so that etcd can report the loss of its leader. */
  openIdle(nowMs: number): void {
    if (this.isEmpty && nowMs >= this.#idleAtMs && this.#mayOpen(nowMs)) this.#open(nowMs);
  }

  /** A stream has ended. `isLost`: not by etcd itself. */
  backOff(isLost: boolean): void {
    const { clock, limits } = this.#context;
    const delayMs = this.#backoff.nextMs();
    const nowMs = clock.nowMs();
    if (isLost) this.#idleAtMs = nowMs + limits.sparePauseMs;
    this.#openAtMs = nowMs + delayMs;
    this.#spareAtMs = nowMs + limits.sparePauseMs;
    this.#cancelBackoff();
    this.#cancelBackoff = clock.after(delayMs, () => this.#owner.onMayOpen());
  }

  /** Returns the renewals that were in flight on stalled streams, which are lost. */
  closeStalled(nowMs: number): readonly Renewal[] {
    const stalled = this.#streams.filter(
      ({ sentCount, progressMs }) => sentCount > 0 && nowMs - progressMs >= this.#stallMs,
    );
    if (stalled.length === 0) return [];
    const sent = stalled.flatMap((stream) => this.close(stream));
    this.#stallMs = Math.min(this.#context.limits.stallMsMax, this.#stallMs * 2);
    this.backOff(true);
    return sent;
  }

  retireOld(nowMs: number): void {
    for (const stream of [...this.#streams]) {
      if (nowMs - stream.openedMs < this.#context.limits.streamAgeMsMax) continue;
      stream.isRetiring = true;
      this.closeRetired(stream);
    }
  }

  /** Closes `stream` if it is retiring and has received its last response. */
  closeRetired(stream: RenewalStream): void {
    if (stream.isRetiring && stream.sentCount === 0) this.close(stream);
  }

  /** Whether every stream waits for etcd. */
  isSlow(nowMs: number): boolean {
    const { slowMs } = this.#context.limits;
    return this.#streams.every((stream) => stream.inFlightMs(nowMs) >= slowMs);
  }

  /**
   * With a slow etcd three streams renew three leases per second at worst, and leases would expire that survive without the
   * proxy. As many streams are added as have proven to work.
   */
  addForSlow(nowMs: number): void {
    const { slowStreamsMax } = this.#context.limits;
    const confirmed = this.#streams.filter(({ isConfirmed }) => isConfirmed).length;
    let unconfirmed = this.#streams.length - confirmed;
    while (unconfirmed < confirmed && this.#streams.length < slowStreamsMax) {
      if (!this.#canReachEtcd(nowMs)) return;
      this.#open(nowMs);
      unconfirmed += 1;
    }
  }

  /**
   * One at a time: a stream beyond the usual number of the process that was not needed for a while, but not the last one.
   * `isUnused`: any stream, because there has been no client for a while.
   */
  closeSpare(nowMs: number, isUnused: boolean): void {
    const { stats, limits } = this.#context;
    const isBeyond = this.#streams.length > 1 && stats.upstreamStreams > limits.streamsMax;
    if (!isUnused && !isBeyond) return;
    const spare = this.#streams.findLast(
      ({ sentCount, progressMs }) =>
        sentCount === 0 && (isUnused || nowMs - progressMs >= limits.lingerMs),
    );
    if (spare !== undefined) this.close(spare);
  }

  #leastBusy(nowMs: number): RenewalStream | null {
    let found: RenewalStream | null = null;
    for (const stream of this.#streams) {
      if (!stream.takes(this.#context.limits, nowMs)) continue;
      if (found === null || stream.sentCount < found.sentCount) found = stream;
    }
    return found;
  }

  #mayOpen(nowMs: number): boolean {
    const { stats, limits } = this.#context;
    // The streams first: with all of them open, which is usual, that is the whole test.
    if (!this.isEmpty && stats.upstreamStreams >= limits.streamsMax) return false;
    if (!this.isEmpty && nowMs < this.#spareAtMs) return false;
    return this.#canReachEtcd(nowMs);
  }

  #canReachEtcd(nowMs: number): boolean {
    const { availability } = this.#context;
    return !this.#isClosed && nowMs >= this.#openAtMs && availability.isAvailable(keepAlive);
  }

  /** The stream is in the pool before it is opened, because it may end meanwhile. */
  #open(nowMs: number): void {
    const stream = new RenewalStream(this.#owner, nowMs);
    this.#streams.push(stream);
    this.#context.stats.upstreamStreams += 1;
    stream.attach(this.#openStream(stream));
  }
}
