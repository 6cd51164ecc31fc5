/**
 * Every event of the store, read from etcd itself by one watch that begins before the first. It is the reference that all
 * other watches are compared with, so it proves its own completeness: the events of each key must continue one another, and
 * lead to what is stored at the end.
 */
import type { GrpcClient } from '../support/client.ts';
import type { Event, KeyValue } from '../support/messages.ts';
import { until } from '../support/until.ts';
import type { Seen, Sight } from './sight.ts';

const everything = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };
const endless = 2 ** 31 - 1;

export class History implements AsyncDisposable {
  readonly #stream;
  readonly #events: Event[] = [];
  readonly #over: Promise<void>;
  /** How the watch ended before it was disposed of. */
  #failure: string | null = null;
  /** Everything up to this revision is recorded. */
  position = 0;
  readonly #passed: { readonly revision: number; readonly atMs: number }[] = [];

  /** `client` is one of a member that stays up. */
  constructor(client: GrpcClient) {
    this.#stream = client.stream('etcdserverpb.Watch/Watch');
    this.#stream.send({
      create_request: { ...everything, start_revision: 1, prev_kv: true, fragment: true },
    });
    this.#over = this.#record();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.cancel();
    await this.#over;
  }

  async reaches(revision: number): Promise<void> {
    await until(
      () => `revision ${revision} in the history, which is at ${this.position}: ${this.#failure}`,
      () => this.position >= revision,
    );
  }

  /** Where it was at that time. */
  positionAt(atMs: number): number {
    return this.#passed.findLast((each) => each.atMs <= atMs)?.revision ?? 0;
  }

  /** What a tenant must have seen, in order. */
  of(sight: Sight): Seen[] {
    return this.#events.flatMap((event) => sight.fromStore(event) ?? []);
  }

  /**
   * Returns what is wrong with the history itself, and completes previous values, which a compaction may have hidden.
   * `stored` is the whole store at the end.
   */
  verify(stored: readonly KeyValue[]): string[] {
    const found: string[] = this.#failure === null ? [] : [this.#failure];
    const current = new Map<string, KeyValue>();
    let revision = 0;
    for (const [i, event] of this.#events.entries()) {
      const { type, kv, prev_kv } = event;
      const key = kv.key.toString('latin1');
      const before = current.get(key) ?? null;
      const at = `history: ${type} of ${JSON.stringify(key)} at ${kv.mod_revision}`;
      if (Number(kv.mod_revision) < revision) found.push(`${at} comes after ${revision}`);
      revision = Number(kv.mod_revision);
      if (prev_kv !== null && prev_kv.mod_revision !== before?.mod_revision) {
        found.push(`${at} follows ${prev_kv.mod_revision}, recorded was ${before?.mod_revision}`);
      }
      if (type === 'DELETE' ? before === null : !continues(kv, before)) {
        found.push(`${at} does not continue ${before?.mod_revision}`);
      }
      // A compaction may have been faster than the read of the previous value.
      this.#events[i] = { type, kv, prev_kv: before };
      if (type === 'DELETE') current.delete(key);
      else current.set(key, kv);
    }
    for (const { key, mod_revision } of stored) {
      const recorded = current.get(key.toString('latin1'))?.mod_revision;
      if (recorded !== mod_revision) found.push(`history: ${key} of ${mod_revision} is missing`);
    }
    if (current.size !== stored.length) found.push('history: a deletion is missing');
    return found;
  }

  async #record(): Promise<void> {
    try {
      for (;;) {
        const { events, canceled, fragment } = await this.#stream.next(endless);
        if (canceled) throw new Error('it was cancelled');
        this.#events.push(...events);
        const last = events.at(-1);
        if (last === undefined || fragment) continue;
        this.position = Number(last.kv.mod_revision);
        this.#passed.push({ revision: this.position, atMs: performance.now() });
      }
    } catch (error) {
      this.#failure = `the watch of the history ended: ${(error as Error).message}`;
    }
  }
}

function continues(kv: KeyValue, before: KeyValue | null): boolean {
  if (before === null) return kv.version === '1' && kv.create_revision === kv.mod_revision;
  return (
    Number(kv.version) === Number(before.version) + 1 &&
    kv.create_revision === before.create_revision
  );
}
