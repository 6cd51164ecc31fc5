/**
 * The destination of a mirror, and the only place that writes to it. Every transaction requires that the stored position is the
 * one that this process has written last. So a second mirror, or a request of this one that was delayed, changes nothing, and
 * each change is applied once, also if a response is lost.
 */
import type { EtcdClient } from '../etcd-client.ts';
import { type KeyValue, readPage } from '../key-value.ts';
import { rangeRequest } from '../range.ts';
import { TxnRequest } from '../txn-request.ts';
import { readTxn } from '../txn-response.ts';
import { decodePosition, encodePosition, type MirrorState, type Position } from './position.ts';

const noEnd = new Uint8Array(0);

/** Another process has replaced or deleted the position. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

/** What the destination stores, before a mirror takes over. */
export interface StoredPosition {
  /** Null if the destination stores no position. */
  readonly position: Position | null;
  /** Of the last change of the key; 0 if the key does not exist. */
  readonly modRevision: number;
}

/** Rejects if the key has a value that is not a position. */
export async function readPosition(etcd: EtcdClient, key: Uint8Array): Promise<StoredPosition> {
  const found = await readKey(etcd, key);
  if (found === null) return { position: null, modRevision: 0 };
  const position = decodePosition(found.value);
  if (position !== null) return { position, modRevision: found.modRevision };
  throw new Error(
    'the key of the position has a value that is not a position of this version; see --position-key',
  );
}

export class Destination {
  readonly etcd: EtcdClient;
  readonly positionKey: Uint8Array;
  /** Transactions that this process has committed, those of the position alone included. */
  commits = 0;
  #position: Position;
  #modRevision: number;

  private constructor(
    etcd: EtcdClient,
    positionKey: Uint8Array,
    position: Position,
    modRevision: number,
  ) {
    this.etcd = etcd;
    this.positionKey = positionKey;
    this.#position = position;
    this.#modRevision = modRevision;
  }

  /** Takes over from whatever wrote `before`, which must be what was read last. Rejects with `Fenced` if it has changed. */
  static async takeOver(
    etcd: EtcdClient,
    positionKey: Uint8Array,
    before: StoredPosition,
    position: Position,
  ): Promise<Destination> {
    const destination = new Destination(etcd, positionKey, position, before.modRevision);
    await destination.#write(new TxnRequest(), position);
    return destination;
  }

  get state(): MirrorState {
    return this.#position.state;
  }

  /** A transaction that only this process can commit. Add operations, at most `operationsMax` of them. */
  begin(): TxnRequest {
    const txn = new TxnRequest();
    txn.requireRevision(this.positionKey, this.#modRevision);
    return txn;
  }

  /** Commits operations whose repetition has the same effect, without a new position. Several may be in flight. */
  async commit(txn: TxnRequest): Promise<void> {
    const response = readTxn(await this.etcd.call('etcdserverpb.KV/Txn', txn.finish()));
    if (!response.hasSucceeded) throw this.#fenced();
    this.commits += 1;
  }

  /** Commits operations and the position after them. No other transaction may be in flight. */
  async advance(txn: TxnRequest, state: MirrorState): Promise<void> {
    const sequence = this.#position.sequence + 1;
    await this.#write(txn, { ...this.#position, sequence, state });
  }

  /** Removes the position. */
  async abandon(): Promise<void> {
    const txn = this.begin();
    txn.delete(this.positionKey);
    await this.commit(txn);
  }

  async #write(txn: TxnRequest, next: Position): Promise<void> {
    const value = encodePosition(next);
    if (txn.bytes === 0) txn.requireRevision(this.positionKey, this.#modRevision);
    txn.put(this.positionKey, value, 0n);
    const response = readTxn(await this.etcd.call('etcdserverpb.KV/Txn', txn.finish()));
    if (response.hasSucceeded) this.#modRevision = response.header.revision;
    else {
      // An attempt whose response was lost may have succeeded.
      const present = await readKey(this.etcd, this.positionKey);
      if (present === null || Buffer.compare(present.value, value) !== 0) throw this.#fenced();
      this.#modRevision = present.modRevision;
    }
    this.#position = next;
    this.commits += 1;
  }

  #fenced(): Fenced {
    return new Fenced(
      'another mirror has taken over this destination, or its position was changed',
    );
  }
}

async function readKey(etcd: EtcdClient, key: Uint8Array): Promise<KeyValue | null> {
  const response = await etcd.call('etcdserverpb.KV/Range', rangeRequest({ key, end: noEnd }));
  return readPage(response).keyValues[0] ?? null;
}
