/**
 * Writes keys in transactions, several in flight. A transaction has as many keys as the cluster accepts: the limits are found
 * by halving, because --max-txn-ops and --max-request-bytes of etcd cannot be read.
 *
 * Unless it may overwrite, a transaction requires each of its keys to be absent. If one is not, the keys are checked and written
 * one at a time: one with the same value and lease counts as written, for an attempt whose response was lost has written it.
 */
import { CallFailure } from './call-failure.ts';
import type { EtcdClient } from './etcd-client.ts';
import { type KeyValue, readPage } from './key-value.ts';
import { printable } from './printable.ts';
import { rangeRequest } from './range.ts';
import { putBytes, TxnRequest } from './txn-request.ts';
import { readTxn } from './txn-response.ts';

/** Defaults of etcd: 128 operations, 1.5 MiB. */
const operationsMax = 128;
const bytesMax = 1 << 20;
const inFlightMax = 8;

export interface PutKey {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
}

export interface PutBatchesOptions {
  readonly mayOverwrite: boolean;
  /** Called after keys were written. `present`: those of them that another attempt had written before. */
  readonly onWritten: (keys: number, present: number, bytes: number) => void;
}

export class PutBatches {
  readonly #etcd: EtcdClient;
  readonly #options: PutBatchesOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #batch: PutKey[] = [];
  #batchBytes = 0;
  #operationsMax = operationsMax;
  #bytesMax = bytesMax;
  #failure: unknown = null;

  constructor(etcd: EtcdClient, options: PutBatchesOptions) {
    this.#etcd = etcd;
    this.#options = options;
  }

  /** Resolves when there is room for the next one. Rejects if this or an earlier key cannot be written. */
  async add(put: PutKey): Promise<void> {
    const bytes = putBytes(put.key, put.value, !this.#options.mayOverwrite);
    const isFull =
      this.#batch.length >= this.#operationsMax || this.#batchBytes + bytes > this.#bytesMax;
    if (isFull && this.#batch.length > 0) await this.#send();
    this.#batch.push(put);
    this.#batchBytes += bytes;
  }

  /** Resolves when everything is written. */
  async finish(): Promise<void> {
    if (this.#batch.length > 0) await this.#send();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    while (this.#inFlight.size >= inFlightMax) await Promise.race(this.#inFlight);
    this.#throwFailure();
    const sent = this.#write(batch)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async #write(batch: readonly PutKey[]): Promise<void> {
    const request = new TxnRequest();
    for (const { key, value, lease } of batch) {
      if (!this.#options.mayOverwrite) request.requireAbsent(key);
      request.put(key, value, lease);
    }
    try {
      const response = await this.#etcd.call('etcdserverpb.KV/Txn', request.finish());
      if (readTxn(response).hasSucceeded) this.#onWritten(batch, 0);
      else await this.#writeOneByOne(batch);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      const isTooLarge = error.isTooLarge || error.hasTooManyOperations;
      const [first] = batch;
      if (isTooLarge && batch.length > 1) await this.#halve(batch, error, request.bytes);
      else if (isTooLarge && first !== undefined) {
        throw new Error(
          `${printable(first.key)} has ${first.value.length} bytes, which the destination rejects: ${error.message}`,
        );
      } else throw error;
    }
  }

  async #halve(batch: readonly PutKey[], error: CallFailure, bytes: number): Promise<void> {
    const half = Math.ceil(batch.length / 2);
    if (error.hasTooManyOperations) this.#operationsMax = Math.min(this.#operationsMax, half);
    else this.#bytesMax = Math.min(this.#bytesMax, Math.ceil(bytes / 2));
    await this.#write(batch.slice(0, half));
    await this.#write(batch.slice(half));
  }

  async #writeOneByOne(batch: readonly PutKey[]): Promise<void> {
    if (batch.length > 1) {
      for (const put of batch) await this.#write([put]);
      return;
    }
    const [put] = batch as [PutKey];
    const request = rangeRequest({ key: put.key, end: new Uint8Array(0) });
    const [present] = readPage(await this.#etcd.call('etcdserverpb.KV/Range', request)).keyValues;
    // Deleted meanwhile.
    if (present === undefined) return this.#write(batch);
    if (isSame(present, put)) this.#onWritten(batch, 1);
    else {
      throw new Error(
        `${printable(put.key)} was written to the destination by another client during the import`,
      );
    }
  }

  #onWritten(batch: readonly PutKey[], present: number): void {
    let bytes = 0;
    for (const { key, value } of batch) bytes += key.length + value.length;
    this.#options.onWritten(batch.length, present, bytes);
  }
}

/** Whether a key need not be written. One with another lease must be: it would disappear with that lease. */
export function isSame(
  present: Pick<KeyValue, 'value' | 'lease'>,
  put: Omit<PutKey, 'key'>,
): boolean {
  return present.lease === put.lease && Buffer.compare(present.value, put.value) === 0;
}
