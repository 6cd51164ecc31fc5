/**
 * Renews leases while an import runs, so that none expires before the last key is written. After that, the applications renew
 * them, or they expire.
 */
import { builtMessage, Call } from '../../call/call.ts';
import { method } from '../../etcd/methods.ts';
import type { RequestSink, ResponseSink } from '../../grpc/call.ts';
import { noMetadata } from '../../grpc/metadata.ts';
import { Writer } from '../../protobuf/writer.ts';
import { type CancelTimer, systemClock as clock } from '../../runtime/clock.ts';
import { type EtcdClient, self } from './etcd-client.ts';

const tickMs = 500;
/** A lease is renewed after this part of its TTL, as clients of etcd do. */
const renewPart = 1 / 3;

export class LeaseKeeper implements Disposable {
  readonly #etcd: EtcdClient;
  /** When each lease is due, in milliseconds. */
  readonly #dueAtMs = new Map<bigint, { dueAtMs: number; readonly everyMs: number }>();
  #stream: RequestSink | null = null;
  #cancelTimer: CancelTimer = () => {};

  constructor(etcd: EtcdClient) {
    this.#etcd = etcd;
  }

  /** A lease that was present may end soon, so it is renewed at once. */
  keep(id: bigint, ttlSeconds: number, outcome: 'granted' | 'present'): void {
    const everyMs = ttlSeconds * 1000 * renewPart;
    const isRenewed = outcome === 'granted' || this.#renew(id);
    this.#dueAtMs.set(id, { dueAtMs: clock.nowMs() + (isRenewed ? everyMs : 0), everyMs });
    if (this.#dueAtMs.size === 1) this.#tickLater();
  }

  [Symbol.dispose](): void {
    this.#cancelTimer();
    this.#stream?.cancel();
  }

  #tickLater(): void {
    this.#cancelTimer = clock.after(tickMs, () => {
      this.#renewDue();
      this.#tickLater();
    });
  }

  #renewDue(): void {
    const nowMs = clock.nowMs();
    for (const [id, lease] of this.#dueAtMs) {
      if (lease.dueAtMs > nowMs) continue;
      if (!this.#renew(id)) return;
      lease.dueAtMs = nowMs + lease.everyMs;
    }
  }

  /** Returns false without a connection. */
  #renew(id: bigint): boolean {
    const stream = this.#open();
    stream?.send(builtMessage<'store'>(new Writer().varint(1, id).finish()));
    return stream !== null;
  }

  /** Null without a connection. The next tick tries again. */
  #open(): RequestSink | null {
    if (this.#stream !== null) return this.#stream;
    const called = method('etcdserverpb.Lease/LeaseKeepAlive');
    const deadlineMs = Number.POSITIVE_INFINITY;
    const call = new Call({ method: called, metadata: noMetadata, deadlineMs, peer: self });
    let hasEnded = false;
    const responses: ResponseSink = {
      deliver() {},
      deliverShared() {},
      end: () => {
        hasEnded = true;
        this.#stream = null;
      },
      pauseRequests() {},
      resumeRequests() {},
    };
    const stream = this.#etcd.upstream.stream(call, responses) as RequestSink;
    if (!hasEnded) this.#stream = stream;
    return this.#stream;
  }
}
