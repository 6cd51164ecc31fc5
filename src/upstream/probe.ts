/**
 * Asks one endpoint for its status every few seconds, over the connection that ordinary calls use, since that is what
 * has to work. Learns its version and whether it knows a leader, and lets an ejected endpoint back in. It never judges
 * a call of a client.
 */
import { method } from '../etcd/methods.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import type { Metadata } from '../grpc/metadata.ts';
import { Code, type Status } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';
import type { Endpoint, EndpointParts, Health } from './endpoint.ts';

const everyMs = 3_000;
const spread = 0.2;
const timeoutMs = 2_000;

const { path } = method('etcdserverpb.Maintenance/Status');
const request = new Uint8Array(0);

/** The fields of etcd's StatusResponse that a probe reads. */
interface MemberStatus {
  readonly version: string;
  readonly hasLeader: boolean;
}

export class Prober {
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #random: Random;
  /** The proxy's own credentials: with authentication on, newer releases tell their status to users only. */
  readonly #metadata: () => Metadata;
  #cancelTimer: CancelTimer = () => {};
  #wasReady = false;
  #wasOut = false;
  #isAsking = false;
  #isClosed = false;

  constructor(
    endpoint: Endpoint,
    { clock, random }: Pick<EndpointParts, 'clock' | 'random'>,
    metadata: () => Metadata,
  ) {
    this.#metadata = metadata;
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#random = random;
    this.#askIn(jittered(random, everyMs, spread));
  }

  /** The endpoint changed: one that has just connected is asked at once, one that was ejected after its penalty. */
  onChange(): void {
    const isReady = this.#endpoint.isReady('unary');
    const { isOut, penaltyMs } = this.#endpoint.accrual;
    if (isReady && !this.#wasReady) this.#askIn(0);
    else if (isOut && !this.#wasOut) this.#askIn(penaltyMs);
    this.#wasReady = isReady;
    this.#wasOut = isOut;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
  }

  #onResponse(ended: Status, response: Uint8Array | null): void {
    this.#isAsking = false;
    if (this.#isClosed) return;
    this.#endpoint.probed(healthFrom(ended, response, this.#endpoint.health));
    const { isOut, penaltyMs } = this.#endpoint.accrual;
    // An ejected endpoint that keeps failing is asked when its next penalty is over, and not before.
    this.#askIn(isOut ? penaltyMs : jittered(this.#random, everyMs, spread));
  }

  #askIn(delayMs: number): void {
    if (this.#isAsking || this.#isClosed) return;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#ask());
  }

  #ask(): void {
    this.#isAsking = true;
    const head = { path, metadata: this.#metadata(), timeoutMs };
    const response = new CollectedResponse((ended, message) => this.#onResponse(ended, message));
    this.#endpoint.channel('unary').unary(head, request, response);
  }
}

function healthFrom(ended: Status, response: Uint8Array | null, before: Health): Health {
  if (ended.code === Code.OK && response !== null) {
    const member = readStatus(response);
    if (member === null) return { ...before, failure: 'its status is not a protobuf message' };
    return { ...member, failure: '' };
  }
  // Who refuses is alive: without a user of its own the proxy may be nobody to the member.
  const isAlive = ended.origin === 'peer' && ended.code !== Code.UNAVAILABLE;
  return { ...before, failure: isAlive ? '' : ended.text };
}

/** Null if the bytes are not a StatusResponse. Its field 2 is the version, field 4 the ID of the leader, 0 if there is none. */
function readStatus(response: Uint8Array): MemberStatus | null {
  const reader = new Reader(response);
  let version = '';
  let hasLeader = false;
  while (reader.next()) {
    if (reader.field === 2) version = Buffer.from(reader.bytes()).toString('utf8');
    else if (reader.field === 4) hasLeader = reader.int64() !== 0n;
  }
  return reader.malformed ? null : { version, hasLeader };
}
