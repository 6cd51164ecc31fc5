/**
 * Registers the proxy in etcd (--resolver-prefix), as etcd's own proxy does (server/proxy/grpcproxy/register.go): its addresses are keys
 * below the prefix, with a lease that is kept alive. The keys are outside of all namespaces, so tenants cannot write them. A read
 * of the prefix finds the other proxies, which MemberList then names. Workers share the keys: if one ends, another one writes them again.
 *
 *   unregistered ─lease and keys written─▶ registered ─lease lost, key missing─▶ unregistered;   any ─close─▶ closed, lease revoked
 */

import type { Availability } from '../call/availability.ts';
import { builtMessage, Call, type Etcd } from '../call/call.ts';
import { ownPeer, ownUnary } from '../call/own-call.ts';
import type { RegistrationConfig } from '../config/sections/registration.ts';
import { type MethodName, method } from '../etcd/methods.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import { Code } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';
import { decodeEntry, encodeEntry, type RegisteredProxy } from './registry-entry.ts';

export interface RegistrationParts {
  readonly upstream: Etcd<'store'> & Pick<Availability, 'isDialing'>;
  readonly clock: Clock;
  readonly random: Random;
  /** What this proxy registers. */
  readonly own: readonly RegisteredProxy[];
  /** Called for the log: with a reason when registering has failed, with an empty text when it has succeeded again. */
  readonly onState: (failure: string) => void;
}

const timeoutMs = 2_000;
const retryMs = 1_000;
/** Renewals are a third of the TTL apart, and changes of other proxies are seen within this time. */
const everyMsMax = 5_000;
const spread = 0.1;
/** Entries over this number are ignored. */
export const proxiesMax = 128;
const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

export class Registration {
  /** The registered proxies, this one included; empty before the first look. */
  proxies: readonly RegisteredProxy[] = [];
  readonly #config: RegistrationConfig;
  readonly #parts: RegistrationParts;
  /** Whether etcd has no key of an own address. */
  #isMissing = true;
  #lease: bigint | null = null;
  #hasRegistered = false;
  /** Of the last attempt; null before the first one. */
  #failure: string | null = null;
  #cancelTimer: CancelTimer = () => {};
  #isClosed = false;
  /** What is being written or read. It never rejects. */
  #ticking: Promise<void> = Promise.resolve();
  #closing: Promise<void> | null = null;

  constructor(config: RegistrationConfig, parts: RegistrationParts) {
    this.#config = config;
    this.#parts = parts;
    // The endpoints are being connected.
    this.#schedule(retryMs);
  }

  /** Removes the keys. Resolves when etcd has responded, or does not. May be called repeatedly. Never rejects. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#closing ??= this.#remove();
    return this.#closing;
  }

  /** A registration that is being written is finished first: its lease may not be known yet. */
  async #remove(): Promise<void> {
    await this.#ticking;
    const lease = this.#lease;
    if (lease === null) return;
    const request = new Writer().varint(1, lease);
    await this.#unary('etcdserverpb.Lease/LeaseRevoke', request).catch(() => {});
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    const { clock, random } = this.#parts;
    this.#cancelTimer = clock.after(jittered(random, delayMs, spread), () => {
      this.#ticking = this.#tick();
    });
  }

  async #tick(): Promise<void> {
    let failure = '';
    try {
      await this.#renew();
      await this.#look();
      // The first registration takes over the keys of an earlier process, whose lease will expire.
      if (!this.#isClosed && (this.#isMissing || !this.#hasRegistered)) await this.#register();
    } catch (error) {
      // The connection for renewals is dialed when the first renewal needs it.
      if (this.#parts.upstream.isDialing(keepAlive)) return this.#schedule(retryMs);
      failure = (error as Error).message;
    }
    if (this.#isClosed) return;
    if (failure !== this.#failure) this.#parts.onState(failure);
    this.#failure = failure;
    const everyMs = Math.min((this.#config.ttlSeconds * 1_000) / 3, everyMsMax);
    this.#schedule(failure === '' ? everyMs : retryMs);
  }

  async #register(): Promise<void> {
    this.#lease ??= await this.#grant();
    for (const own of this.#parts.own) {
      const put = new Writer().string(1, this.#keyOf(own.address)).string(2, encodeEntry(own));
      await this.#unary('etcdserverpb.KV/Put', put.varint(3, this.#lease));
    }
    this.#hasRegistered = true;
    await this.#look();
  }

  async #grant(): Promise<bigint> {
    const request = new Writer().varint(1, this.#config.ttlSeconds);
    const reader = new Reader(await this.#unary('etcdserverpb.Lease/LeaseGrant', request));
    let id = 0n;
    while (reader.next()) if (reader.field === 2) id = reader.int64();
    if (id === 0n) throw new Error('etcd has granted no lease');
    return id;
  }

  /** Reads the entries below the prefix. If there are too many, a key that was not read does not count as missing. */
  async #look(): Promise<void> {
    const begin = Buffer.from(this.#keyOf(''));
    const end = Buffer.from(begin);
    end[end.length - 1] = (end.at(-1) ?? 0) + 1;
    const request = new Writer().bytes(1, begin).bytes(2, end).varint(3, proxiesMax);
    const reader = new Reader(await this.#unary('etcdserverpb.KV/Range', request));
    const proxies: RegisteredProxy[] = [];
    const keys = new Set<string>();
    let hasMore = false;
    while (reader.next()) {
      if (reader.field === 3) hasMore = reader.bool();
      if (reader.field !== 2) continue;
      const entry = reader.message();
      while (entry.next()) {
        if (entry.field === 1) keys.add(Buffer.from(entry.bytes()).toString());
        const proxy = entry.field === 5 ? decodeEntry(entry.bytes()) : null;
        if (proxy !== null) proxies.push(proxy);
      }
    }
    this.proxies = proxies;
    const { own } = this.#parts;
    this.#isMissing = !hasMore && own.some(({ address }) => !keys.has(this.#keyOf(address)));
  }

  #keyOf(address: string): string {
    return `${this.#config.prefix}/${address}`;
  }

  /** A lease that etcd does not know any more is forgotten. */
  async #renew(): Promise<void> {
    const lease = this.#lease;
    if (lease === null) return;
    if ((await this.#ttlAfterRenewal(lease)) > 0) return;
    this.#lease = null;
    this.#hasRegistered = false;
  }

  #ttlAfterRenewal(lease: bigint): Promise<number> {
    const { upstream, clock } = this.#parts;
    return new Promise((resolve, reject) => {
      const response = new CollectedResponse(({ text }, message) => {
        if (message === null) reject(new Error(text));
        else resolve(ttlIn(message));
      });
      const deadlineMs = clock.nowMs() + timeoutMs;
      const call = new Call({ method: keepAlive, metadata: [], deadlineMs, peer: ownPeer });
      const requests = upstream.stream(call, response);
      requests.send(builtMessage(new Writer().varint(1, lease).finish()));
      requests.halfClose();
    });
  }

  async #unary(name: MethodName, request: Writer): Promise<Uint8Array> {
    const { upstream, clock } = this.#parts;
    const deadlineMs = clock.nowMs() + timeoutMs;
    const ended = await ownUnary(upstream, method(name), request.finish(), deadlineMs);
    if (ended.status.code !== Code.OK || ended.message === null) throw new Error(ended.status.text);
    return ended.message;
  }
}

function ttlIn(response: Uint8Array): number {
  const reader = new Reader(response);
  let ttl = 0;
  while (reader.next()) if (reader.field === 3) ttl = reader.number();
  return ttl;
}
