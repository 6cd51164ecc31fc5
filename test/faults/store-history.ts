/**
 * Every event of the store under one prefix, read from a member itself, in parts: what a compaction removes is read before.
 * It is what all clients are compared with.
 */
import { type GrpcClient, grpcClient } from '../support/client.ts';
import type { Event } from '../support/messages.ts';
import { eventually } from '../support/until.ts';

const readWithinMs = 10_000;
const everything = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };

export interface Stored {
  readonly revision: number;
  readonly isDelete: boolean;
  /** Without the prefix. */
  readonly name: string;
  readonly value: string;
}

export class StoreHistory {
  readonly events: Stored[] = [];
  /** Everything up to this revision is read. */
  position = 0;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Reads what `address` has now, and waits until it has everything that the cluster has. */
  async readFrom(address: string): Promise<void> {
    using client = grpcClient(address);
    const revision = await newestRevision(client);
    if (revision <= this.position) return;
    using stream = client.stream('etcdserverpb.Watch/Watch');
    stream.send({ create_request: { ...everything, start_revision: this.position + 1 } });
    while (this.position < revision) {
      const { events, canceled, cancel_reason } = await stream.next();
      if (canceled) throw new Error(`the watch of the history was cancelled: ${cancel_reason}`);
      for (const event of events) this.#add(event);
    }
  }

  #add({ type, kv }: Event): void {
    const revision = Number(kv.mod_revision);
    const key = kv.key.toString();
    this.position = revision;
    if (!key.startsWith(this.#prefix)) return;
    const isDelete = type === 'DELETE';
    const name = key.slice(this.#prefix.length);
    this.events.push({ revision, isDelete, name, value: kv.value.toString() });
  }
}

/** Repeats the read: the cluster may just have elected a leader. */
async function newestRevision(client: GrpcClient): Promise<number> {
  let failure: unknown;
  const read = async () => {
    try {
      const request = { ...everything, count_only: true };
      const { header } = await client.call('etcdserverpb.KV/Range', request);
      return Number(header?.revision);
    } catch (error) {
      failure = error;
      return 0;
    }
  };
  const revision = await eventually(read, (found) => found > 0, readWithinMs);
  if (revision === 0) throw failure;
  return revision;
}
