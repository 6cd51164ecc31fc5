/**
 * Asks one endpoint for its status every few seconds, over the connection that ordinary calls use, since that is what
 * has to work. Learns its version and whether it knows a leader, and lets an ejected endpoint back in. It never judges
 * a call of a client.
 */
import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { method } from '../etcd/methods.ts';
import type { Reply } from '../grpc/call.ts';
import type { Metadata } from '../grpc/metadata.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';
import type { Endpoint, EndpointParts, Health } from './endpoint.ts';

const everyMs = 3_000;
const spread = 0.2;
const timeoutMs = 2_000;

const { path } = method('etcdserverpb.Maintenance/Status');
const request = new Uint8Array(0);

/** What is read of etcd's StatusResponse. */
interface MemberStatus {
  readonly version: string;
  /** Member ID as a decimal string; `0` while there is no leader. */
  readonly leader: string;
}

export class Prober implements Reply {
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #random: Random;
  /** The proxy's own credentials: with authentication on, newer releases tell their status to users only. */
  readonly #metadata: () => Metadata;
  #cancelTimer: CancelTimer = () => {};
  #answer: Uint8Array | null = null;
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

  message(bytes: Uint8Array): void {
    this.#answer = bytes;
  }

  end(ended: Status): void {
    this.#isAsking = false;
    if (this.#isClosed) return;
    this.#endpoint.probed(healthFrom(ended, this.#answer, this.#endpoint.health));
    const { isOut, penaltyMs } = this.#endpoint.accrual;
    // An ejected endpoint that keeps failing is asked when its next penalty is over, and not before.
    this.#askIn(isOut ? penaltyMs : jittered(this.#random, everyMs, spread));
  }

  pause(): void {}

  resume(): void {}

  #askIn(delayMs: number): void {
    if (this.#isAsking || this.#isClosed) return;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#ask());
  }

  #ask(): void {
    this.#isAsking = true;
    this.#answer = null;
    const head = { path, metadata: this.#metadata(), timeoutMs };
    this.#endpoint.channel('unary').unary(head, request, this);
  }
}

function healthFrom(ended: Status, answer: Uint8Array | null, before: Health): Health {
  if (ended.code === Code.OK && answer !== null) {
    const member = decode(answer);
    if (member === null) return { ...before, failure: 'its status is not a protobuf message' };
    return { version: member.version, hasLeader: member.leader !== '0', failure: '' };
  }
  // Who refuses is alive: without a user of its own the proxy may be nobody to the member.
  const isAlive = ended.origin === 'peer' && ended.code !== Code.UNAVAILABLE;
  return { ...before, failure: isAlive ? '' : ended.text };
}

const definitions = loadSync('etcdserverpb/maintenance.proto', {
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  keepCase: true,
  longs: String,
  defaults: true,
});

/** Null when the bytes are no StatusResponse. */
function decode(answer: Uint8Array): MemberStatus | null {
  const { Status: definition } = definitions['etcdserverpb.Maintenance'] as ServiceDefinition;
  if (definition === undefined) throw new Error('proto/ does not define Maintenance.Status');
  try {
    return definition.responseDeserialize(Buffer.from(answer)) as MemberStatus;
  } catch {
    return null;
  }
}
