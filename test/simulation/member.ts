/** One etcd member: it applies the log of the store with a lag, and serves watch streams from what it has applied. */
import type { Seeded } from '../support/seeded.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Store } from './store.ts';
import type { WatchServer } from './watch-server.ts';

/** etcd synchronizes watches that are behind once per interval. */
const syncIntervalMs = 100;

export interface MemberOptions {
  readonly id: number;
  /** A release before 3.4.25: unordered progress, leaked older events, negative start revisions accepted. */
  readonly isOld: boolean;
  readonly lagMsMax: number;
}

export class Member {
  readonly id: number;
  readonly isOld: boolean;
  readonly store: Store;
  readonly time: SimulatedTime;
  readonly random: Seeded;
  readonly streams = new Set<WatchServer>();
  revision = 1;
  compactRevision = -1;
  lagMsMax: number;
  #applied = 0;
  #scheduled = 0;
  #lastDueMs = 0;
  readonly #syncPhaseMs: number;
  #isSyncDue = false;
  #waiting: { readonly revision: number; readonly reached: () => void }[] = [];
  /** What was scheduled before the last restart does not happen. */
  #restarts = 0;

  constructor(options: MemberOptions, store: Store, time: SimulatedTime, random: Seeded) {
    this.id = options.id;
    this.isOld = options.isOld;
    this.lagMsMax = options.lagMsMax;
    this.store = store;
    this.time = time;
    this.random = random;
    this.#syncPhaseMs = random.below(syncIntervalMs);
  }

  /** Schedules what was committed since the last call. */
  onCommitted(): void {
    while (this.#scheduled < this.store.log.length) {
      this.#scheduled += 1;
      const lagMs = this.lagMsMax === 0 ? 0 : this.random.below(this.lagMsMax);
      this.#lastDueMs = Math.max(this.#lastDueMs, this.time.nowMs + lagMs);
      const restarts = this.#restarts;
      this.time.after(this.#lastDueMs - this.time.nowMs, () => {
        if (restarts === this.#restarts) this.#applyNext();
      });
    }
  }

  /** Applies nothing more for this long. */
  stall(forMs: number): void {
    this.#lastDueMs = Math.max(this.#lastDueMs, this.time.nowMs + forMs);
  }

  /** Starts again with an older state, which it keeps for `forMs`. Then it applies the log from there. */
  rewind(entries: number, forMs: number): void {
    this.#restarts += 1;
    this.#applied = Math.max(0, this.#applied - entries);
    this.#scheduled = this.#applied;
    this.#lastDueMs = this.time.nowMs + forMs;
    const applied = this.store.log.slice(0, this.#applied);
    this.revision = applied.findLast(({ kind }) => kind === 'txn')?.revision ?? 1;
    this.compactRevision = applied.findLast(({ kind }) => kind === 'compact')?.revision ?? -1;
    this.onCommitted();
  }

  /** Starts again with the state of the store, which was restored. */
  restart(): void {
    this.#restarts += 1;
    this.#waiting = [];
    this.#applied = this.store.log.length;
    this.#scheduled = this.#applied;
    this.#lastDueMs = this.time.nowMs;
    this.revision = this.store.revision;
    this.compactRevision = this.store.compactRevision;
  }

  whenApplied(revision: number, reached: () => void): void {
    if (this.revision >= revision) reached();
    else this.#waiting.push({ revision, reached });
  }

  scheduleSync(): void {
    if (this.#isSyncDue) return;
    this.#isSyncDue = true;
    const { nowMs } = this.time;
    const sincePhase = (nowMs - this.#syncPhaseMs + syncIntervalMs) % syncIntervalMs;
    this.time.after(syncIntervalMs - sincePhase, () => {
      this.#isSyncDue = false;
      for (const stream of this.streams) stream.sync();
    });
  }

  #applyNext(): void {
    const entry = this.store.log[this.#applied];
    if (entry === undefined) return;
    this.#applied += 1;
    if (entry.kind === 'compact') {
      this.compactRevision = entry.revision;
      return;
    }
    this.revision = entry.revision;
    for (const stream of this.streams) stream.notify(entry.revision, entry.events);
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const waiting = this.#waiting[i];
      if (waiting === undefined || waiting.revision > this.revision) continue;
      this.#waiting.splice(i, 1);
      waiting.reached();
    }
  }
}
