/**
 * Watches of a random program: opened on any range, with any filter, from now, from the past or from what the tenant has
 * compacted, and closed at any time. What each has told by then is what the model says happened, no more and no less.
 */
import { expect } from 'vitest';
import type { GrpcClient } from '../support/client.ts';
import type { WatchResponse } from '../support/messages.ts';
import type { Seeded } from '../support/seeded.ts';
import { covers, type Model, type ModelEvent } from './model.ts';

const openMax = 6;

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

interface Open {
  readonly id: number;
  readonly range: { key: Buffer; range_end?: Buffer };
  readonly filter: 'NOPUT' | 'NODELETE' | null;
  /** Events after this revision have a previous value. */
  readonly prevAfter: number;
  /** The first revision that it reports. */
  readonly from: number;
  readonly told: ModelEvent[];
}

export class Watches implements Disposable {
  readonly #stream;
  readonly #chance: Seeded;
  readonly #model: Model;
  readonly #open = new Map<number, Open>();
  #nextId = 1;

  constructor(client: GrpcClient, chance: Seeded, model: Model) {
    this.#stream = client.stream('etcdserverpb.Watch/Watch');
    this.#chance = chance;
    this.#model = model;
  }

  /** Opens one on the range, or closes one. */
  async step(range: { key: Buffer; range_end?: Buffer }): Promise<void> {
    const mayOpen = this.#open.size < openMax;
    if (mayOpen && (this.#open.size === 0 || this.#chance.chance(0.5))) return this.#create(range);
    return this.#close(this.#chance.pick([...this.#open.values()]));
  }

  async closeAll(): Promise<void> {
    for (const open of [...this.#open.values()]) await this.#close(open);
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
  }

  async #create(range: { key: Buffer; range_end?: Buffer }): Promise<void> {
    const { floor, events } = this.#model;
    const past = Number(events.at(-1 - this.#chance.below(50))?.mod_revision ?? 0);
    const start = this.#chance.pick([0, past, Math.max(0, floor - 1), floor]);
    const filter = this.#chance.pick([null, null, 'NOPUT', 'NODELETE'] as const);
    const id = this.#nextId++;
    const withPrev = this.#chance.chance(0.5);
    this.#stream.send({
      create_request: {
        ...range,
        watch_id: id,
        start_revision: start,
        prev_kv: withPrev,
        filters: filter === null ? [] : [filter],
        fragment: this.#chance.chance(0.3),
      },
    });
    const created = await this.#until((answer) => answer.created);
    if (created.canceled) {
      const { key, range_end = '' } = range;
      expect(created.cancel_reason).toBe('mvcc: watcher range is empty');
      expect(latin1(key) >= latin1(Buffer.from(range_end))).toBe(true);
      return;
    }
    expect(created.watch_id).toBe(String(id));
    const current = Number(created.header?.revision);
    const from = start === 0 ? current + 1 : start;
    // The value before a compacted revision is compacted, too.
    const prevAfter = !withPrev ? Number.POSITIVE_INFINITY : start === floor ? floor : 0;
    this.#open.set(id, { id, range, filter, prevAfter, from, told: [] });
    if (start === 0 || start >= floor) return;
    const cancelled = await this.#until((answer) => answer.canceled);
    expect(cancelled).toMatchObject({ watch_id: String(id), compact_revision: String(floor) });
    this.#open.delete(id);
    this.#stream.send({ cancel_request: { watch_id: id } });
    await this.#until((answer) => answer.canceled && answer.watch_id === String(id));
  }

  async #close(open: Open): Promise<void> {
    const expected = this.#expected(open);
    while (open.told.length < expected.length) this.#take(await this.#stream.next());
    this.#stream.send({ cancel_request: { watch_id: open.id } });
    await this.#until((answer) => answer.canceled && answer.watch_id === String(open.id));
    expect(open.told).toEqual(expected);
    this.#open.delete(open.id);
  }

  #expected({ range, filter, prevAfter, from }: Open): ModelEvent[] {
    const unwanted = filter === 'NOPUT' ? 'PUT' : filter === 'NODELETE' ? 'DELETE' : '';
    const { events } = this.#model;
    const before = events.findLastIndex((event) => Number(event.mod_revision) < from);
    return events
      .slice(before + 1)
      .filter((event) => event.type !== unwanted)
      .filter((event) => covers(range, event.key))
      .map((event) => (Number(event.mod_revision) > prevAfter ? event : { ...event, prev: null }));
  }

  /** The next response of that kind. Events before it are kept. */
  async #until(isWanted: (answer: WatchResponse) => boolean): Promise<WatchResponse> {
    for (;;) {
      const answer = await this.#stream.next();
      if (isWanted(answer)) return answer;
      this.#take(answer);
    }
  }

  #take({ watch_id, events }: WatchResponse): void {
    const open = this.#open.get(Number(watch_id));
    expect(open, `watch ${watch_id} is open`).toBeDefined();
    open?.told.push(...events.map(toModelEvent));
  }
}

/** An event in the model's words. */
export function toModelEvent({ type, kv, prev_kv }: WatchResponse['events'][number]): ModelEvent {
  return {
    type,
    key: latin1(kv.key),
    value: latin1(kv.value),
    mod_revision: kv.mod_revision,
    prev: prev_kv && { ...prev_kv, key: latin1(prev_kv.key), value: latin1(prev_kv.value) },
  };
}
