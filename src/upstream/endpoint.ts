/**
 * One configured etcd endpoint: its channels, a group per channel class, its health as probes report it, and its ejection. The
 * picker selects endpoints. Guarantee: `onChange` is called after every change that the picker depends on.
 */
import type { EndpointConfig } from '../config/sections/endpoints.ts';
import {
  classifyForEndpoint,
  type EndpointVerdict,
  isRejectedByLearner,
} from '../etcd/outcomes.ts';
import { Code, type Status, status } from '../grpc/status.ts';
import type { Channel, ClientTls, ClientTransport, DialOptions } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { ChannelGroup } from './channel-group.ts';
import { Ejection } from './ejection.ts';
import { Silence } from './silence.ts';

/**
 * Traffic that must not share a connection: large ranges delay watches, and many watch events delay keepalives until leases
 * expire (etcd issues 15402 and 17529).
 */
export const channelClasses = ['unary', 'watch', 'lease'] as const;
export type ChannelClass = (typeof channelClasses)[number];

/** The result of the last probe. Before the first one the endpoint counts as healthy. */
export interface Health {
  /** The member's version; empty if unknown. */
  readonly version: string;
  /** False if the member has reported that it knows no leader. */
  readonly hasLeader: boolean;
  /** Whether the member has reported that it is the leader. */
  readonly isLeader: boolean;
  /** A learner rejects most calls. */
  readonly isLearner: boolean;
  /** Size of the member's database; 0 if unknown. */
  readonly dbBytes: number;
  /** 0n if unknown. */
  readonly clusterId: bigint;
  /** The content of the last ResponseHeader; empty if unknown. */
  readonly header: Uint8Array;
  /** Why the last probe failed; empty if it succeeded. */
  readonly failure: string;
}

/** After so many probes without a response the connection is useless, even if it is open: a peer can stop granting window. */
const silentProbesMax = 2;

/** Before the first probe. */
const unknownHealth: Health = {
  version: '',
  hasLeader: true,
  isLeader: false,
  isLearner: false,
  dbBytes: 0,
  clusterId: 0n,
  header: new Uint8Array(0),
  failure: '',
};

export interface EndpointParts {
  readonly transport: ClientTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** Shared by the channels of an endpoint. The transport reads it at each handshake, so a new `tls` applies to the next one. */
class SharedDialOptions implements DialOptions {
  readonly address: DialOptions['address'];
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  tls: ClientTls | null;

  constructor({ address, tls }: EndpointConfig, parts: EndpointParts) {
    this.address = address;
    this.keepaliveMs = parts.keepaliveMs;
    this.keepaliveTimeoutMs = parts.keepaliveTimeoutMs;
    this.tls = tls;
  }
}

export class Endpoint {
  readonly name: string;
  readonly ejection: Ejection;
  readonly silence: Silence;
  /** One listener: the upstream that owns the endpoint. */
  onChange: (() => void) | null = null;
  /** Whether another endpoint would get a call that this one has not processed. Set by the upstream. */
  isReplaceable: () => boolean = () => false;
  readonly #clock: Clock;
  #health: Health = unknownHealth;
  readonly #dialOptions: SharedDialOptions;
  readonly #channels: Readonly<Record<ChannelClass, ChannelGroup>>;
  #wasUp = false;
  #isForcedOut = false;
  /** Consecutive probes without a response. */
  #silentProbes = 0;
  readonly #openStreams: Record<ChannelClass, number> = { unary: 0, watch: 0, lease: 0 };

  /**
   * Dials the `unary` connection immediately, on which the endpoint is probed. The others are dialed when
   * calls need them. Throws if the configured certificate, key or CA certificates cannot be parsed.
   */
  constructor(config: EndpointConfig, parts: EndpointParts) {
    this.name = config.name;
    this.#clock = parts.clock;
    this.ejection = new Ejection(parts.clock, parts.random);
    this.silence = new Silence(parts.clock, () => this.onChange?.());
    this.#dialOptions = new SharedDialOptions(config, parts);
    const group = (isLazy: boolean): ChannelGroup =>
      new ChannelGroup({
        dial: () => parts.transport.dial(this.#dialOptions),
        clock: parts.clock,
        isLazy,
        onChange: () => this.#onConnection(),
      });
    this.#channels = { unary: group(false), watch: group(true), lease: group(true) };
  }

  get health(): Health {
    return this.#health;
  }

  /**
   * Applies new certificates and keys to future handshakes; existing connections stay open. Returns false if the configuration
   * describes another endpoint, which needs another object.
   */
  update({ name, tls }: EndpointConfig): boolean {
    const { tls: before } = this.#dialOptions;
    const isSame =
      name === this.name &&
      (tls === null) === (before === null) &&
      tls?.serverName === before?.serverName;
    if (isSame) this.#dialOptions.tls = tls;
    return isSame;
  }

  /** Whether other endpoints are preferred: because of failures, or because an operator has decided it. */
  get isEjected(): boolean {
    return this.#isForcedOut || this.ejection.isEjected;
  }

  /** Whether an operator has ejected it. */
  get isForcedOut(): boolean {
    return this.#isForcedOut;
  }

  forceOut(isForcedOut: boolean): void {
    this.#isForcedOut = isForcedOut;
    this.onChange?.();
  }

  /** False if the member does not respond: to calls, or to the last probe. */
  get isResponsive(): boolean {
    return this.#health.failure === '' && !this.silence.isSilent;
  }

  channels(channelClass: ChannelClass): ChannelGroup {
    return this.#channels[channelClass];
  }

  /** The channel for the next call. */
  channel(channelClass: ChannelClass): Channel {
    return this.#channels[channelClass].pick();
  }

  isReady(channelClass: ChannelClass): boolean {
    return this.#channels[channelClass].state === 'ready';
  }

  /** Whether the connection of the class is needed and not ready. */
  isBroken(channelClass: ChannelClass): boolean {
    const { state } = this.#channels[channelClass];
    return state !== 'ready' && state !== 'idle';
  }

  openStreams(channelClass: ChannelClass): number {
    return this.#openStreams[channelClass];
  }

  streamOpened(channelClass: ChannelClass): void {
    this.#openStreams[channelClass] += 1;
  }

  streamClosed(channelClass: ChannelClass): void {
    this.#openStreams[channelClass] -= 1;
  }

  /**
   * Counts an ended call. `timeoutMs` is how long it was allowed to take, `deadlineMs` when that time expired. Returns its status,
   * as unsent if a learner has rejected the call and another endpoint can take it.
   */
  recordEnd(ended: Status, timeoutMs: number, deadlineMs: number): Status {
    this.#record(classifyForEndpoint(ended, timeoutMs, this.#clock.nowMs() >= deadlineMs));
    if (ended.code === Code.OK || !isRejectedByLearner(ended)) return ended;
    if (!this.#health.isLearner) {
      this.#health = { ...this.#health, isLearner: true };
      this.onChange?.();
    }
    return this.isReplaceable() ? status(Code.UNAVAILABLE, ended.text, 'unsent') : ended;
  }

  /** Counts the first response of a stream as a success: the stream may stay open indefinitely. */
  recordFirstResponse(): void {
    this.#record('alive');
  }

  /** `isSilent`: the probe had no response, not even the end of its connection. */
  recordProbe(health: Health, isSilent: boolean): void {
    this.#silentProbes = isSilent ? this.#silentProbes + 1 : 0;
    if (this.#silentProbes === silentProbesMax) {
      this.#silentProbes = 0;
      this.#channels.unary.replace();
    }
    const before = this.#health;
    this.#health = health;
    this.silence.reset();
    const isChanged =
      before.hasLeader !== health.hasLeader ||
      before.isLearner !== health.isLearner ||
      before.clusterId !== health.clusterId ||
      (before.failure === '') !== (health.failure === '');
    if (this.ejection.onProbe(health.failure === '') || isChanged) this.onChange?.();
  }

  close(): void {
    this.onChange = null;
    this.silence.close();
    for (const channelClass of channelClasses) this.#channels[channelClass].close();
  }

  #onConnection(): void {
    const isUp = this.isReady('unary');
    const hasConnected = isUp && !this.#wasUp;
    this.#wasUp = isUp;
    if (hasConnected) for (const each of channelClasses) this.#channels[each].endBackoff();
    this.onChange?.();
  }

  #record(verdict: EndpointVerdict): void {
    if (this.ejection.onCall(verdict)) this.onChange?.();
  }
}
