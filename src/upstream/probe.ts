/**
 * Probes one endpoint: a Status call every few seconds, on the `unary` channel, because that is the connection that must
 * work. A probe reports the member's version and cluster, whether it is the leader or a learner and whether it knows a leader, and ends
 * an ejection.
 */
import { method } from '../etcd/methods.ts';
import { clusterIdOf, memberIdOf } from '../etcd/response-header.ts';
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

/** Field numbers of StatusResponse. The leader is 0 if the member knows none. */
const StatusField = { HEADER: 1, VERSION: 2, DB_SIZE: 3, LEADER: 4, IS_LEARNER: 10 } as const;

/** The fields of StatusResponse that a probe reads. */
type MemberStatus = Omit<Health, 'failure'>;

/** The proxy's own token: with authentication enabled, newer releases of etcd require one for Status. */
export interface ProbeLogin {
  readonly metadata: Metadata;
  checkProbe(metadata: Metadata, ended: Status): void;
}

export class Prober {
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #login: ProbeLogin;
  #cancelTimer: CancelTimer = () => {};
  #wasReady = false;
  #wasEjected = false;
  #wasSilent = false;
  #isInFlight = false;
  #isClosed = false;

  constructor(
    endpoint: Endpoint,
    { clock, random }: Pick<EndpointParts, 'clock' | 'random'>,
    login: ProbeLogin,
  ) {
    this.#login = login;
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#random = random;
    this.#schedule(jittered(random, everyMs, spread));
  }

  /**
   * Call after each change of the endpoint. It is probed immediately after it has connected and when it does not respond to calls,
   * and after a penalty.
   */
  onChange(): void {
    const isReady = this.#endpoint.isReady('unary');
    const { isEjected, penaltyMs } = this.#endpoint.ejection;
    const { isSilent } = this.#endpoint.silence;
    if (isReady && (!this.#wasReady || (isSilent && !this.#wasSilent))) this.#schedule(0);
    else if (isEjected && !this.#wasEjected) this.#schedule(penaltyMs);
    this.#wasReady = isReady;
    this.#wasEjected = isEjected;
    this.#wasSilent = isSilent;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
  }

  #onResponse(ended: Status, response: Uint8Array | null): void {
    this.#isInFlight = false;
    if (this.#isClosed) return;
    const isSilent = ended.origin === 'proxy' && ended.code === Code.DEADLINE_EXCEEDED;
    this.#endpoint.recordProbe(healthFrom(ended, response, this.#endpoint.health), isSilent);
    const { isEjected, penaltyMs } = this.#endpoint.ejection;
    // An ejected endpoint is probed when its penalty has expired, not earlier.
    this.#schedule(isEjected ? penaltyMs : jittered(this.#random, everyMs, spread));
  }

  #schedule(delayMs: number): void {
    if (this.#isInFlight || this.#isClosed) return;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#send());
  }

  #send(): void {
    this.#isInFlight = true;
    const { metadata } = this.#login;
    const head = { path, metadata, timeoutMs };
    const response = new CollectedResponse((ended, message) => {
      if (!this.#isClosed) this.#login.checkProbe(metadata, ended);
      this.#onResponse(ended, message);
    });
    this.#endpoint.channel('unary').unary(head, request, response);
  }
}

function healthFrom(ended: Status, response: Uint8Array | null, before: Health): Health {
  if (ended.code === Code.OK && response !== null) {
    const member = readStatus(response);
    if (member === null) return { ...before, failure: 'its status is not a protobuf message' };
    return { ...member, failure: '' };
  }
  // A member that rejects the probe is alive: the proxy may have no user at etcd.
  const isAlive = ended.origin === 'peer' && ended.code !== Code.UNAVAILABLE;
  return { ...before, failure: isAlive ? '' : ended.text };
}

/** Returns null if the bytes are malformed. */
function readStatus(response: Uint8Array): MemberStatus | null {
  const reader = new Reader(response);
  let version = '';
  let leader = 0n;
  let dbBytes = 0;
  let isLearner = false;
  let header: Uint8Array = new Uint8Array(0);
  while (reader.next()) {
    switch (reader.field) {
      case StatusField.HEADER:
        // A copy, so that the response does not stay in memory.
        header = Uint8Array.from(reader.bytes());
        break;
      case StatusField.VERSION:
        version = Buffer.from(reader.bytes()).toString('utf8');
        break;
      case StatusField.DB_SIZE:
        dbBytes = reader.number();
        break;
      case StatusField.LEADER:
        leader = BigInt.asUintN(64, reader.int64());
        break;
      case StatusField.IS_LEARNER:
        isLearner = reader.bool();
        break;
    }
  }
  const clusterId = clusterIdOf(header);
  const hasLeader = leader !== 0n;
  const isLeader = hasLeader && leader === memberIdOf(header);
  const flags = { hasLeader, isLeader, isLearner };
  return reader.malformed ? null : { version, ...flags, dbBytes, clusterId, header };
}
