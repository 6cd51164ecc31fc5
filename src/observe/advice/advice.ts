/**
 * Advice for operators: observes samples of the calls of each tenant, and reports busy keys and traffic that could be better. It
 * keeps sketches of bounded size for a bounded number of tenants. Tenants see nothing of it. A call that is not sampled costs a
 * few comparisons (docs/adr/0028-advice-from-samples.md).
 */
import type { Call } from '../../call/call.ts';
import { methods } from '../../etcd/methods.ts';
import { Reader } from '../../protobuf/reader.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Random } from '../../runtime/random.ts';
import type { TenantState } from '../../tenant/state.ts';
import { type CallEvents, type CallRecord, noCallEvents } from '../events.ts';
import type { KeyText } from '../key-text.ts';
import type { Logger } from '../logger.ts';
import { FindingLog } from './finding-log.ts';
import { findingNames, thresholds } from './findings.ts';
import { largeRange } from './large-range.ts';
import type { TenantAdvice } from './report.ts';
import { hasKeys, requestKeys } from './request-keys.ts';
import { Sampler } from './sampler.ts';
import { TenantFindings } from './tenant-findings.ts';
import { WholeWatches } from './whole-watches.ts';

export interface AdviceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How log lines show keys. */
  readonly keys: KeyText;
  /** False for the state of a tenant that a reload has removed. */
  readonly isCurrent: (state: TenantState) => boolean;
}

/** Further tenants are not observed until others are idle: their calls are counted. */
const tenantsMax = 1_000;
const idleMsMax = 600_000;
const tickMs = 10_000;
/** Large responses of a tenant are decoded at most this often. */
const decodeIntervalMs = 1_000;

/** How the request of a method is observed. */
const Interest = { NONE: 0, KEYS: 1, GRANT: 2, KEEP_ALIVE: 3, WATCH: 4 } as const;

/** By the index of the method. */
const interests = Uint8Array.from(methods, ({ request }) => {
  if (request === 'LeaseGrantRequest') return Interest.GRANT;
  if (request === 'LeaseKeepAliveRequest') return Interest.KEEP_ALIVE;
  if (request === 'WatchRequest') return Interest.WATCH;
  return hasKeys(request) ? Interest.KEYS : Interest.NONE;
});

const noWatches = { weight: 0, keys: [] } as const;

export class Advice {
  readonly events: CallEvents = {
    ...noCallEvents,
    request: (record, message) => this.#request(record, message),
    response: (record, head, tail) => this.#response(record, head, tail),
    ended: (record) => this.#ended(record),
  };
  /** Of tenants that are not observed, because there are too many. */
  untrackedSamples = 0;
  readonly #parts: AdviceParts;
  readonly #log: FindingLog;
  readonly #sampler: Sampler;
  readonly #tenants = new Map<TenantState, TenantFindings>();
  #untilSample = 1;
  #samplesAtTick = 0;
  #samples = 0;
  #tickedMs: number;
  #cancelTick: () => void = () => {};

  constructor(parts: AdviceParts) {
    this.#parts = parts;
    this.#log = new FindingLog(parts.logger, parts.clock, parts.keys);
    this.#tickedMs = parts.clock.nowMs();
    this.#sampler = new Sampler(parts.random, this.#tickedMs);
    this.#scheduleTick();
  }

  /** Called for the first call of each connection. */
  connected({ peer, tenant }: Call): void {
    const findings = tenant === null ? null : this.#of(tenant.state);
    if (findings === null) return;
    const { remote, listener } = peer;
    // A Unix socket has no address.
    const address = remote === '' ? listener : remote.slice(0, remote.lastIndexOf(':'));
    findings.traffic.connections.add(address, 1);
  }

  /** Of tenants that had calls. */
  get report(): readonly TenantAdvice[] {
    return Array.from(this.#tenants.values(), (each) => each.report);
  }

  /** How many findings there are, by name. */
  get findingCounts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>(findingNames.map((name) => [name, 0]));
    for (const { current } of this.#tenants.values()) {
      for (const { name } of current) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  close(): void {
    this.#cancelTick();
  }

  #request(record: CallRecord, message: Uint8Array): void {
    const interest = interests[record.call.method.index];
    if (interest === Interest.KEYS) {
      if (message.length >= thresholds.largeValueBytes) this.#largeRequest(record, message);
      this.#untilSample -= 1;
      if (this.#untilSample <= 0) this.#sample(record, message);
    } else if (interest !== Interest.NONE) this.#rare(record, message, interest);
  }

  #sample(record: CallRecord, message: Uint8Array): void {
    const weight = this.#sampler.take(this.#parts.clock.nowMs());
    this.#untilSample = this.#sampler.gap;
    this.#samples += 1;
    const keys = requestKeys(record.call.method.request, message);
    record.sample = { weight, keys, watches: null };
  }

  #largeRequest({ call }: CallRecord, message: Uint8Array): void {
    const [written] = requestKeys(call.method.request, message).filter(({ isWrite }) => isWrite);
    if (written !== undefined) this.#trafficOf(call)?.largeValues.add(message.length, written.text);
  }

  #rare(record: CallRecord, message: Uint8Array, interest: number | undefined): void {
    const traffic = this.#trafficOf(record.call);
    if (traffic === null) return;
    if (interest === Interest.KEEP_ALIVE) traffic.keepAlives += 1;
    else if (interest === Interest.GRANT) {
      traffic.grants += 1;
      if (ttlOf(message) <= thresholds.shortTtlSeconds) traffic.shortGrants += 1;
    } else {
      const reader = new Reader(message);
      if (!reader.next() || reader.field !== 1) return;
      record.sample ??= { ...noWatches, watches: new WholeWatches() };
      record.sample.watches?.created(reader.message());
    }
  }

  #response(record: CallRecord, head: Uint8Array, tail: Uint8Array): void {
    const { call, sample } = record;
    if (sample?.watches != null) {
      const events = sample.watches.events(head, tail);
      const traffic = events === 0 ? null : this.#trafficOf(call);
      if (traffic !== null) traffic.wholeEvents += events;
    } else if (call.method.response === 'RangeResponse') {
      // A read that several callers share comes in two parts, of which one is the response.
      const message = tail.length > head.length ? tail : head;
      if (message.length >= thresholds.largeRangeBytes) this.#largeResponse(call, message);
    }
  }

  #largeResponse(call: Call, response: Uint8Array): void {
    const traffic = this.#trafficOf(call);
    if (traffic === null) return;
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs - traffic.decodedMs < decodeIntervalMs) {
      traffic.largeRanges.count += 1;
      return;
    }
    traffic.decodedMs = nowMs;
    const { subject, keys } = largeRange(response);
    traffic.largeRanges.add(response.length, subject, keys);
  }

  #ended(record: CallRecord): void {
    const { sample } = record;
    if (sample === null || sample.watches !== null) return;
    this.#trafficOf(record.call)?.add(sample, record.requestBytes + record.responseBytes);
  }

  #trafficOf({ tenant }: Call) {
    return tenant === null ? null : (this.#of(tenant.state)?.traffic ?? null);
  }

  /** Null if there are too many tenants. */
  #of(state: TenantState): TenantFindings | null {
    const existing = this.#tenants.get(state);
    if (existing !== undefined) {
      existing.traffic.isTouched = true;
      return existing;
    }
    if (this.#tenants.size >= tenantsMax) {
      this.untrackedSamples += 1;
      return null;
    }
    const created = new TenantFindings(state.tenantName);
    this.#tenants.set(state, created);
    return created;
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#parts.clock.after(tickMs, () => {
      this.#tick();
      this.#scheduleTick();
    });
  }

  #tick(): void {
    const { clock, isCurrent } = this.#parts;
    const nowMs = clock.nowMs();
    const passedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    if (this.#samples === this.#samplesAtTick) {
      this.#sampler.restart(nowMs);
      this.#untilSample = 1;
    }
    this.#samplesAtTick = this.#samples;
    for (const [state, tenant] of this.#tenants) {
      tenant.update(passedMs, clock.epochMs());
      if (tenant.traffic.idleMs > idleMsMax || !isCurrent(state)) this.#tenants.delete(state);
      else for (const finding of tenant.current) this.#log.write(tenant, finding);
    }
  }
}

/** LeaseGrantRequest.TTL. */
function ttlOf(request: Uint8Array): number {
  const reader = new Reader(request);
  let ttl = 0;
  while (reader.next()) if (reader.field === 1) ttl = reader.number();
  return ttl;
}
