/**
 * One configured etcd endpoint: its connections, one per class of traffic, and what is known of its health. It decides
 * nothing about which endpoint a call goes to. Guarantee: `onChange` is called after everything the picker looks at.
 */
import type { EndpointConfig } from '../config/sections/endpoints.ts';
import { classifyForEndpoint, type EndpointVerdict } from '../etcd/outcomes.ts';
import type { Status } from '../grpc/status.ts';
import type { Channel, ClientTls, ClientTransport, DialOptions } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { Accrual } from './ejection.ts';

/**
 * Traffic that must not share a connection: large ranges starve watches, and a watch's flood would delay keepalives
 * until leases expire (etcd issues 15402 and 17529).
 */
export const channelClasses = ['unary', 'watch', 'lease'] as const;
export type ChannelClass = (typeof channelClasses)[number];

/** What a probe found out. Until the first answer the endpoint has the benefit of the doubt. */
export interface Health {
  /** As the member states it; empty when unknown. */
  readonly version: string;
  /** False: the member said that it knows of no leader. */
  readonly hasLeader: boolean;
  /** Why the last probe failed; empty when it did not. */
  readonly failure: string;
}

export interface EndpointParts {
  readonly transport: ClientTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** Read by the transport at every handshake, so a certificate that is put in here counts from the next one on. */
class Dial implements DialOptions {
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
  readonly accrual: Accrual;
  /** One listener: the upstream that owns it. */
  onChange: (() => void) | null = null;
  readonly #clock: Clock;
  #health: Health = { version: '', hasLeader: true, failure: '' };
  readonly #dial: Dial;
  readonly #channels: Readonly<Record<ChannelClass, Channel>>;
  readonly #openStreams: Record<ChannelClass, number> = { unary: 0, watch: 0, lease: 0 };

  /** Dials at once. Throws when the configured certificate, key or authorities cannot be parsed. */
  constructor(config: EndpointConfig, parts: EndpointParts) {
    this.name = config.name;
    this.#clock = parts.clock;
    this.accrual = new Accrual(parts.clock, parts.random);
    this.#dial = new Dial(config, parts);
    const dial = (): Channel => {
      const channel = parts.transport.dial(this.#dial);
      channel.onState = () => this.onChange?.();
      return channel;
    };
    this.#channels = { unary: dial(), watch: dial(), lease: dial() };
  }

  get health(): Health {
    return this.#health;
  }

  /**
   * Takes other certificates, keys or authorities for the next handshakes; connections that exist live on. False when the
   * endpoint itself is another one, which takes another object.
   */
  update({ name, tls }: EndpointConfig): boolean {
    const { tls: before } = this.#dial;
    const isSame =
      name === this.name &&
      (tls === null) === (before === null) &&
      tls?.serverName === before?.serverName;
    if (isSame) this.#dial.tls = tls;
    return isSame;
  }

  channel(channelClass: ChannelClass): Channel {
    return this.#channels[channelClass];
  }

  isReady(channelClass: ChannelClass): boolean {
    return this.#channels[channelClass].state === 'ready';
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

  /** A call to it ended; `timeoutMs` is what the call was given, `deadlineMs` when that is over. */
  callEnded(ended: Status, timeoutMs: number, deadlineMs: number): void {
    this.#count(classifyForEndpoint(ended, timeoutMs, this.#clock.nowMs() >= deadlineMs));
  }

  /** A stream brought its first answer. */
  answered(): void {
    this.#count('alive');
  }

  probed(health: Health): void {
    const { hasLeader } = this.#health;
    this.#health = health;
    const moved = this.accrual.probed(health.failure === '');
    if (moved || hasLeader !== health.hasLeader) this.onChange?.();
  }

  close(): void {
    this.onChange = null;
    for (const channelClass of channelClasses) this.#channels[channelClass].close();
  }

  #count(verdict: EndpointVerdict): void {
    if (this.accrual.called(verdict)) this.onChange?.();
  }
}
