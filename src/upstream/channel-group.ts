/**
 * The connections of one channel class to one endpoint. Normally one. A server can limit the streams of a connection (etcd's
 * --max-concurrent-streams, 100 in many proxies), so another connection is opened when all are full, and closed when it has not
 * been needed for a while. A connection that does not work, although it is open, is replaced: its calls may still end.
 *
 * A lazy group has no connection until `dial`, and closes its connections when they have not been used for minutes.
 */
import type { Channel, ChannelState } from '../grpc/transport.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** Per endpoint and channel class. At this limit calls wait for a stream to end. */
export const connectionsMax = 16;

const sweepEveryMs = 2_000;
/** An additional connection without streams is kept for this long. */
const idleMsMax = 30_000;
/** A lazy group closes its connections after five of these periods in a row without a stream. */
const lazyCheckEveryMs = 60_000;
const idleLazyChecksMax = 5;
/** A dial that takes longer is late: a call should not wait for it alone. */
const lateAfterMs = 500;

/** `idle`: not dialed. Only a lazy group is. */
export type GroupState = ChannelState | 'idle';

export interface ChannelGroupParts {
  readonly dial: () => Channel;
  readonly clock: Clock;
  readonly isLazy: boolean;
  /** Called after every change of `state`, `hasRoom` or `isFull`. */
  readonly onChange: () => void;
}

export class ChannelGroup {
  readonly #parts: ChannelGroupParts;
  /** Empty while the group is idle. The first one is used first. */
  #channels: Channel[] = [];
  /** Replaced ones with calls in flight. */
  #replaced: Channel[] = [];
  readonly #idleSinceMs = new Map<Channel, number>();
  #cancelSweep: CancelTimer | null = null;
  #cancelLazyCheck: CancelTimer | null = null;
  /** Checks in a row that found no use of the group. */
  #idleChecks = 0;
  #cancelLate: CancelTimer | null = null;
  #isLate = false;
  #failure = '';

  constructor(parts: ChannelGroupParts) {
    this.#parts = parts;
    if (!parts.isLazy) this.#dial();
  }

  get state(): GroupState {
    return this.#ready.length > 0 ? 'ready' : (this.#first?.state ?? 'idle');
  }

  /** Whether the first attempt to connect is in progress. Its outcome may be that calls can be sent soon. */
  get isExpected(): boolean {
    return this.state === 'connecting' && this.#failure === '';
  }

  /** Whether the connection of a group that was idle is expected soon. */
  get isDialing(): boolean {
    return this.isExpected && !this.#isLate;
  }

  /**
   * Ends a backoff: the next call dials at once. Call when another connection to the address has succeeded. Does nothing if the
   * group is connected or not lazy, or if a server that is going away still serves streams of it.
   */
  endBackoff(): void {
    if (this.#parts.isLazy && this.state === 'failed' && !this.#hasStreams) this.#becomeIdle();
  }

  /** Dials an idle group. Does nothing if it is not idle. */
  dial(): void {
    if (this.#channels.length > 0) return;
    this.#failure = '';
    this.#isLate = false;
    this.#cancelLate = this.#parts.clock.after(lateAfterMs, () => {
      this.#isLate = true;
      if (this.isExpected) this.#parts.onChange();
    });
    this.#dial();
    this.#scheduleLazyCheck();
    this.#parts.onChange();
  }

  /** Why no connection is ready: the last failure, also while another one is being dialed. */
  get failure(): string {
    return this.#ready.length > 0 ? '' : this.#failure;
  }

  /** Whether a call can be sent now. */
  get hasRoom(): boolean {
    return this.#channels.some((channel) => channel.hasRoom);
  }

  /** Whether calls only cannot be sent because of the server's limit of streams. */
  get isFull(): boolean {
    return this.#ready.length > 0 && !this.hasRoom;
  }

  get connections(): number {
    return this.#ready.length;
  }

  /** The channel for the next call. If none has room, the transport lets the call wait or rejects it unsent. */
  pick(): Channel {
    this.#idleChecks = 0;
    if (this.#channels.length === 0) this.dial();
    const [first] = this.#channels;
    if (first?.hasRoom) return first;
    return (
      this.#channels.find((channel) => channel.hasRoom) ?? this.#ready[0] ?? (first as Channel)
    );
  }

  /** The connections do not respond. New calls get a new one. */
  replace(): void {
    const before = this.#channels;
    this.#channels = [];
    this.#replaced.push(...before);
    this.#dial();
    this.#scheduleSweep();
    this.#parts.onChange();
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
    this.#cancelLazyCheck?.();
    this.#cancelLazyCheck = null;
    this.#cancelLate?.();
    for (const channel of [...this.#channels, ...this.#replaced]) {
      channel.onState = null;
      channel.close();
    }
    this.#replaced = [];
  }

  get #first(): Channel | undefined {
    return this.#channels[0];
  }

  get #hasStreams(): boolean {
    return [...this.#channels, ...this.#replaced].some(({ openStreams }) => openStreams > 0);
  }

  get #ready(): readonly Channel[] {
    return this.#channels.filter(({ state }) => state === 'ready');
  }

  #dial(): void {
    const channel = this.#parts.dial();
    this.#channels.push(channel);
    channel.onState = () => this.#onState();
  }

  #onState(): void {
    const failure = this.#first?.failure ?? '';
    if (failure !== '') this.#failure = failure;
    if (this.isFull && this.#mayDial) {
      this.#dial();
      this.#scheduleSweep();
    }
    this.#parts.onChange();
  }

  /** Not while another one is being dialed, nor if the server grants no streams at all: then the sweep tries again. */
  get #mayDial(): boolean {
    if (this.#channels.length >= connectionsMax) return false;
    if (this.#channels.some(({ state }) => state !== 'ready')) return false;
    return (
      this.#channels.length === 1 || this.#channels.every(({ openStreams }) => openStreams > 0)
    );
  }

  #scheduleLazyCheck(): void {
    if (!this.#parts.isLazy) return;
    this.#cancelLazyCheck = this.#parts.clock.after(lazyCheckEveryMs, () => this.#checkUse());
  }

  #checkUse(): void {
    this.#cancelLazyCheck = null;
    this.#idleChecks = this.#hasStreams ? 0 : this.#idleChecks + 1;
    if (this.#idleChecks < idleLazyChecksMax) this.#scheduleLazyCheck();
    else this.#becomeIdle();
  }

  #becomeIdle(): void {
    this.#idleChecks = 0;
    this.close();
    this.#channels = [];
    this.#parts.onChange();
  }

  #scheduleSweep(): void {
    this.#cancelSweep ??= this.#parts.clock.after(sweepEveryMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#cancelSweep = null;
    this.#replaced = this.#replaced.filter((channel) => !closeIf(channel, true));
    const nowMs = this.#parts.clock.nowMs();
    const [, ...others] = this.#channels;
    for (const channel of others) {
      if (channel.openStreams > 0) this.#idleSinceMs.delete(channel);
      else if (!this.#idleSinceMs.has(channel)) this.#idleSinceMs.set(channel, nowMs);
    }
    const isUnneeded = (channel: Channel, index: number): boolean => {
      const isUseless = channel.state === 'ready' && !channel.hasRoom;
      if (index === 0) return isUseless && this.#channels.length > 1;
      return isUseless || nowMs - (this.#idleSinceMs.get(channel) ?? nowMs) >= idleMsMax;
    };
    const kept = this.#channels.filter((channel, i) => !closeIf(channel, isUnneeded(channel, i)));
    const hasChanged = kept.length < this.#channels.length;
    this.#channels = kept;
    for (const channel of this.#idleSinceMs.keys()) {
      if (!kept.includes(channel)) this.#idleSinceMs.delete(channel);
    }
    if (kept.length === 0) this.#dial();
    if (this.#channels.length > 1 || this.#replaced.length > 0) this.#scheduleSweep();
    if (hasChanged) this.#onState();
  }
}

/** Closes a channel without open streams. Returns whether it was closed. */
function closeIf(channel: Channel, condition: boolean): boolean {
  if (!condition || channel.openStreams > 0) return false;
  channel.onState = null;
  channel.close();
  return true;
}
