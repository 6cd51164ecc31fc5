/**
 * The current revision of the store, read once for all joins and progress requests that wait for it. A waiter gets a revision
 * that was read after it began to wait: while a read is in flight, later waiters wait for the next one.
 */
import { builtMessage, type Call, type Etcd } from '../../call/call.ts';
import { method } from '../../etcd/methods.ts';
import { revisionOf } from '../../etcd/response-header.ts';
import { CollectedResponse } from '../../grpc/collected-response.ts';
import { Code } from '../../grpc/status.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';

const range = method('etcdserverpb.KV/Range');
/** A linearizable count of one key, which returns no key: the first possible key of the tenant. */
const countOfOneKey = builtMessage<'tenant'>(
  new Writer().bytes(1, Uint8Array.of(0)).bool(9, true).finish(),
);

export interface FencePoint {
  readonly revision: number;
  /** The content of the ResponseHeader that carried the revision. */
  readonly header: Uint8Array;
}

/** `point` is null if the read failed. */
export type OnFence = (point: FencePoint | null) => void;

export class Fence {
  readonly #next: Etcd<'tenant'>;
  readonly #newCall: (method: typeof range) => Call;
  #waiting: OnFence[] = [];
  #isReading = false;

  constructor(next: Etcd<'tenant'>, newCall: (method: typeof range) => Call) {
    this.#next = next;
    this.#newCall = newCall;
  }

  /** Calls `onFence` once, later or before this returns. */
  wait(onFence: OnFence): void {
    this.#waiting.push(onFence);
    if (!this.#isReading) this.#read();
  }

  #read(): void {
    this.#isReading = true;
    const served = this.#waiting;
    this.#waiting = [];
    const response = new CollectedResponse((ended, message) => {
      this.#isReading = false;
      const point = ended.code === Code.OK && message !== null ? pointOf(message) : null;
      for (const onFence of served) onFence(point);
      if (!this.#isReading && this.#waiting.length > 0) this.#read();
    });
    this.#next.unary(this.#newCall(range), countOfOneKey, response);
  }
}

function pointOf(message: Uint8Array): FencePoint | null {
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field !== 1) continue;
    const header = reader.bytes();
    const revision = revisionOf(header);
    return revision > 0 ? { revision, header: Uint8Array.from(header) } : null;
  }
  return null;
}
