/**
 * The connections of one channel class to one endpoint. Normally one. A server can limit the streams of a connection (etcd's
 * --max-concurrent-streams, 100 in many proxies), so another connection is opened when all are full, and closed when it has not
 * been needed for a while. A connection that does not work, although it is open, is replaced: its calls may still end.
 */
import type { Channel, ChannelState } from '../grpc/transport.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** Per endpoint and channel class. At this limit calls wait for a stream to end. */
export const connectionsMax = 16;

const sweepEveryMs = 2_000;
/** An additional connection without streams is kept for this long. */
const idleMsMax = 30_000;

export interface ChannelGroupParts {
  readonly dial: () => Channel;
  readonly clock: Clock;
  /** Called after every change of `state`, `hasRoom` or `isFull`. */
  readonly onChange: () => void;
}

export class ChannelGroup {
  readonly #parts: ChannelGroupParts;
  /** Never empty until `close`. The first one is used first. */
  #channels: Channel[] = [];
  /** Replaced ones with calls in flight. */
  #replaced: Channel[] = [];
  readonly #idleSinceMs = new Map<Channel, number>();
  #cancelSweep: CancelTimer | null = null;
  #failure = '';

  constructor(parts: ChannelGroupParts) {
    this.#parts = parts;
    this.#dial();
  }

  get state(): ChannelState {
    return this.#ready.length > 0 ? 'ready' : this.#first.state;
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
    const [first] = this.#channels;
    if (first?.hasRoom) return first;
    return this.#channels.find((channel) => channel.hasRoom) ?? this.#ready[0] ?? this.#first;
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
    for (const channel of [...this.#channels, ...this.#replaced]) {
      channel.onState = null;
      channel.close();
    }
    this.#replaced = [];
  }

  get #first(): Channel {
    return this.#channels[0] as Channel;
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
    if (this.#first.failure !== '') this.#failure = this.#first.failure;
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
