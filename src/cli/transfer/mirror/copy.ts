/**
 * Makes the destination equal to the source at one revision. It compares both, key by key, and writes and deletes only what
 * differs. A key with a lease differs: it would disappear when the lease ends. The position advances with each page, so that a
 * mirror that was killed continues behind the last one.
 */
import type { EtcdClient } from '../etcd-client.ts';
import type { KeyValue, Page } from '../key-value.ts';
import { pagesOf } from '../pages.ts';
import { TargetKeys } from '../target-keys.ts';
import type { TxnRequest } from '../txn-request.ts';
import { putBytes } from '../txn-request.ts';
import type { Destination } from './destination.ts';
import { bytesMax, operationsMax } from './limits.ts';
import type { MirroredNames } from './names.ts';
import type { MirrorStats } from './stats.ts';

const inFlightMax = 8;

export interface CopyParts {
  readonly source: EtcdClient;
  readonly destination: Destination;
  readonly names: MirroredNames;
  readonly stats: MirrorStats;
}

/** Resolves when the position is `following` at that revision. Rejects with a compacted `CallFailure` if the revision is gone. */
export async function copy(
  parts: CopyParts,
  revision: number,
  lastKey: Buffer | null,
): Promise<void> {
  const { source, destination, names, stats } = parts;
  const target = new TargetKeys(destination.etcd, names.rest(names.destination, lastKey));
  const writes = new FencedWrites(destination, stats);
  for await (const page of pagesOf(source, names.rest(names.source, lastKey), revision)) {
    await copyPage(page, target, writes, names);
    await writes.finish();
    const last = page.keyValues.at(-1) as KeyValue;
    await destination.advance(destination.begin(), {
      ...{ at: 'copying', revision },
      lastKey: Buffer.from(last.key.subarray(names.source.length)),
    });
    stats.comparedKeys += page.keyValues.length;
  }
  for (let extra = await target.current(); extra !== null; extra = await target.current()) {
    if (!names.isPosition(extra.key)) await writes.delete(extra.key);
    target.advance();
  }
  await writes.finish();
  await destination.advance(destination.begin(), { at: 'following', revision, applied: 0 });
}

async function copyPage(
  page: Page,
  target: TargetKeys,
  writes: FencedWrites,
  names: MirroredNames,
): Promise<void> {
  for (const { key, value } of page.keyValues) {
    const wanted = names.targetOf(key);
    if (wanted === null) continue;
    let present = await target.current();
    while (present !== null && Buffer.compare(present.key, wanted) < 0) {
      if (!names.isPosition(present.key)) await writes.delete(present.key);
      target.advance();
      present = await target.current();
    }
    const isPresent = present !== null && Buffer.compare(present.key, wanted) === 0;
    if (isPresent) target.advance();
    const isSame = isPresent && present?.lease === 0n && Buffer.compare(present.value, value) === 0;
    if (!isSame) await writes.put(wanted, value);
  }
}

/** Writes in transactions of the destination, several in flight. Their repetition has the same effect. */
class FencedWrites {
  readonly #destination: Destination;
  readonly #stats: MirrorStats;
  readonly #inFlight = new Set<Promise<void>>();
  #txn: TxnRequest | null = null;
  #failure: unknown = null;

  constructor(destination: Destination, stats: MirrorStats) {
    this.#destination = destination;
    this.#stats = stats;
  }

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    const txn = await this.#room(putBytes(key, value, false));
    txn.put(key, value, 0n);
  }

  async delete(key: Uint8Array): Promise<void> {
    const txn = await this.#room(key.length);
    txn.delete(key);
  }

  /** Resolves when everything is written. */
  async finish(): Promise<void> {
    await this.#send();
    await Promise.all(this.#inFlight);
    if (this.#failure !== null) throw this.#failure;
  }

  async #room(bytes: number): Promise<TxnRequest> {
    const txn = this.#txn;
    if (txn !== null && txn.operations > 0) {
      const isFull = txn.operations >= operationsMax || txn.bytes + bytes > bytesMax;
      if (isFull) await this.#send();
    }
    this.#txn ??= this.#destination.begin();
    return this.#txn;
  }

  async #send(): Promise<void> {
    const txn = this.#txn;
    this.#txn = null;
    if (txn === null || txn.operations === 0) return;
    while (this.#inFlight.size >= inFlightMax) await Promise.race(this.#inFlight);
    if (this.#failure !== null) throw this.#failure;
    const sent = this.#destination
      .commit(txn)
      .then(() => this.#stats.onCommitted(txn))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
  }
}
