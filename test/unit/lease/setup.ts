/** The layer over a fake etcd that responds when the test says so. Lease IDs are stored ones. */
import type { Call } from '../../../src/call/call.ts';
import type { RequestSink } from '../../../src/grpc/call.ts';
import { KeepAlives } from '../../../src/lease/keep-alives.ts';
import { type KeepAliveLimits, keepAliveLimits } from '../../../src/lease/limits.ts';
import { renew } from '../../../src/lease/renew.ts';
import { Deadlines } from '../../../src/runtime/deadlines.ts';
import { Caller } from '../../support/caller.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../support/codec.ts';
import { type EtcdCall, FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type CallOptions, callOf, onBytes, testTenant } from '../../support/test-call.ts';

export const keepAliveMethod = 'etcdserverpb.Lease/LeaseKeepAlive';
export const holdMs = 5_000;
export const requestTimeoutMs = 15_000;

/** A stored lease ID, beyond 2^53. */
export const lease = (n: number): string => String((0x1234n << 31n) + BigInt(n));

/** A client's stream. `received` is `ID:TTL` of each response. */
export class KeepAliveClient extends Caller {
  readonly call: Call;
  requests: RequestSink | null = null;

  constructor(call: Call) {
    super();
    this.call = call;
  }

  renew(...ids: string[]): void {
    for (const ID of ids) this.requests?.send(encodeRequest(keepAliveMethod, { ID }));
  }

  get received(): readonly string[] {
    return this.messages.map((bytes) => {
      const { ID, TTL } = decodeResponse(keepAliveMethod, bytes);
      return `${ID}:${TTL}`;
    });
  }
}

export class KeepAliveSetup {
  readonly clock = new ManualClock();
  readonly etcd = new FakeEtcd<'store'>();
  readonly faults: unknown[] = [];
  readonly keepAlives: KeepAlives;
  readonly layer;
  #isAvailable = true;
  #onAvailable: (() => void)[] = [];

  constructor(limits: Partial<KeepAliveLimits> = {}, isShared = true) {
    this.keepAlives = new KeepAlives({
      clock: this.clock,
      random: { integer: (min) => min },
      deadlines: new Deadlines(this.clock),
      limits: { ...keepAliveLimits, ...limits },
      availability: {
        isAvailable: () => this.#isAvailable,
        isFull: () => false,
        isDialing: () => false,
        onAvailable: (listener) => void this.#onAvailable.push(listener),
      },
      holdMs,
      requestTimeoutMs,
      onFault: (error) => void this.faults.push(error),
    });
    const { keepAlives } = this;
    this.layer = onBytes(renew({ keepAlives, isShared: () => isShared })(this.etcd));
  }

  get stats() {
    return this.keepAlives.stats;
  }

  client(options: CallOptions = {}): KeepAliveClient {
    const client = new KeepAliveClient(
      callOf(keepAliveMethod, { tenant: testTenant(), ...options }),
    );
    client.requests = this.layer.stream(client.call, client);
    return client;
  }

  setAvailable(isAvailable: boolean): void {
    this.#isAvailable = isAvailable;
    if (isAvailable) for (const listener of this.#onAvailable) listener();
  }

  /** The upstream streams that are open. */
  get open(): readonly EtcdCall<'store'>[] {
    return this.etcd.calls.filter(({ isCancelled, isEnded }) => !(isCancelled || isEnded));
  }
}

/** The lease IDs that a stream has received. */
export function sentOn(stream: EtcdCall<'store'>): readonly string[] {
  return stream.requests.map((bytes) => String(decodeRequest(keepAliveMethod, bytes).ID));
}

/** What etcd responds to a renewal. */
export function respond(stream: EtcdCall<'store'>, ID: string, TTL = 60): void {
  const header = { cluster_id: '7', member_id: '8', revision: '100', raft_term: '3' };
  stream.deliver(encodeResponse(keepAliveMethod, { header, ID, TTL }));
}
