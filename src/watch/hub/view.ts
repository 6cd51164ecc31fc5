/**
 * The live watchers of a feed that see the same events: same filters. A round encodes a response once per view, and each
 * watcher adds its watch ID.
 */
import { Reader } from '../../protobuf/reader.ts';
import type { EventFilter } from '../stream/messages.ts';
import { type Batch, type Chunk, chunksOf } from './batch.ts';
import type { History } from './history.ts';
import type { HubContext } from './hub-context.ts';
import { detach, type Watcher, WatcherState, type WatcherView } from './watcher.ts';

/** Event.type, field 1: absent or 0 is PUT, 1 is DELETE. */
const typeField = 1;

/** A part of the history as the watchers of a view receive it. */
export interface Excerpt {
  /** The last revision of it. */
  readonly to: number;
  readonly chunks: readonly Chunk[];
}

export class View implements WatcherView {
  readonly filter: EventFilter;
  /** In no particular order: removal moves the last one into the gap. */
  readonly live: Watcher[] = [];
  readonly #context: HubContext;
  /** The excerpts of this turn, by their first revision: the watchers of a stream mostly need the same. */
  readonly #excerpts = new Map<number, Excerpt>();

  constructor(filter: EventFilter, context: HubContext) {
    this.filter = filter;
    this.#context = context;
  }

  /** The watcher's state is the caller's to set. */
  add(watcher: Watcher): void {
    watcher.liveIndex = this.live.length;
    this.live.push(watcher);
  }

  /** Does nothing if the watcher is not live. */
  remove(watcher: Watcher): void {
    const index = watcher.liveIndex;
    if (index < 0) return;
    watcher.liveIndex = -1;
    const last = this.live.pop() as Watcher;
    if (last === watcher) return;
    last.liveIndex = index;
    this.live[index] = last;
  }

  /** What watchers of this view receive of `batches`. */
  encode(batches: readonly Batch[]): readonly Chunk[] {
    const { noPut, noDelete } = this.filter;
    if (!(noPut || noDelete)) return chunksOf(batches);
    return chunksOf(batches.flatMap((batch) => this.#filtered(batch) ?? []));
  }

  /** The beginning of what watchers of this view receive of the revisions from `from` up to and including `to`. */
  excerpt(history: History, from: number, to: number): Excerpt {
    const known = this.#excerpts.get(from);
    if (known !== undefined && known.to <= to) return known;
    const { limits, defer } = this.#context;
    const batches = history.between(from, to, limits.excerptBytes);
    const excerpt = { to: batches.at(-1)?.revision ?? to, chunks: this.encode(batches) };
    this.#excerpts.set(from, excerpt);
    if (this.#excerpts.size === 1) defer(this.#forget);
    return excerpt;
  }

  /**
   * Delivers `batches`, which begin at the revision `from`, to every live watcher. Backwards, so that watchers which end
   * meanwhile do not make it skip or repeat another one. Returns to how many streams it delivers, if the watchers of a stream
   * are neighbours.
   */
  deliver(batches: readonly Batch[], from: number): number {
    const { live } = this;
    if (live.length === 0) return 0;
    const chunks = this.encode(batches);
    if (chunks.length === 0) return 0;
    let writes = 0;
    let previous: Watcher['stream'] | null = null;
    for (let i = live.length - 1; i >= 0; i--) {
      const watcher = live[i];
      if (watcher === undefined) continue;
      if (watcher.stream !== previous) writes += 1;
      previous = watcher.stream;
      this.#deliverTo(watcher, chunks, from);
    }
    return writes;
  }

  #deliverTo(watcher: Watcher, chunks: readonly Chunk[], from: number): void {
    const { stats } = this.#context;
    for (const chunk of chunks) {
      if (chunk.revision < watcher.next) continue;
      if (watcher.stream.isPaused) {
        watcher.next = Math.max(watcher.next, from);
        this.remove(watcher);
        detach(watcher, stats);
        return;
      }
      watcher.next = chunk.revision + 1;
      stats.deliveredEvents += chunk.count;
      watcher.stream.deliverChunk(watcher, chunk);
      if (watcher.state !== WatcherState.LIVE) return;
    }
  }

  /**
   * Reports the position, `revision`, to live watchers that asked for it and had no events since the last time. `header` is the
   * `header` field with its tag.
   */
  notifyPosition(revision: number, header: Uint8Array): void {
    for (const watcher of [...this.live]) {
      if (!watcher.spec.hasProgressNotify || watcher.state !== WatcherState.LIVE) continue;
      if (!(watcher.isActive || watcher.stream.isPaused)) {
        watcher.next = Math.max(watcher.next, revision + 1);
        watcher.stream.deliverPosition(watcher, header);
      }
      watcher.isActive = false;
    }
  }

  readonly #forget = (): void => {
    this.#excerpts.clear();
  };

  #filtered(batch: Batch): Batch | null {
    const { noPut, noDelete } = this.filter;
    const kept: Uint8Array[] = [];
    const reader = new Reader(batch.events);
    while (reader.next()) {
      const isDelete = isDeleteEvent(reader.message());
      if (!(isDelete ? noDelete : noPut)) kept.push(reader.raw());
    }
    if (kept.length === 0) return null;
    if (kept.length === batch.count) return batch;
    const { revision, header } = batch;
    const events = Buffer.concat(kept);
    return { revision, header, events, count: kept.length, block: null, offset: 0 };
  }
}

function isDeleteEvent(event: Reader): boolean {
  let type = 0;
  while (event.next()) if (event.field === typeField) type = event.number();
  return type === 1;
}
