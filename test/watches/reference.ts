/** The events that each watch of a tenant must report, from the tenant's part of the history. */
import { covers } from '../differential/model.ts';
import { keepsDeletionsAtCompaction } from '../support/etcd-release.ts';
import type { Compactions } from './compactions.ts';
import type { Seen } from './sight.ts';
import { visibleRange, type WatchSpec } from './watch-spec.ts';

interface Watched {
  readonly spec: WatchSpec;
  /** The first revision that it reports. */
  readonly from: number;
}

export class Reference {
  readonly #events: readonly Seen[];
  readonly #store: Compactions;
  readonly #keepsDeletions = keepsDeletionsAtCompaction();
  readonly #byRange = new Map<string, readonly Seen[]>();

  /** `events` are complete. */
  constructor(events: readonly Seen[], store: Compactions) {
    this.#events = events;
    this.#store = store;
  }

  of({ spec, from }: Watched): readonly Seen[] {
    const { filters } = spec;
    return this.#inRange(spec).filter(
      ({ revision, isDelete }) =>
        revision >= from && !filters.includes(isDelete ? 'NODELETE' : 'NOPUT'),
    );
  }

  /** How many of them are certain to come. */
  countOf(watch: Watched): number {
    return this.of(watch).filter((event) => !this.isUncertain(event)).length;
  }

  /** An etcd of that release may not report it. */
  isUncertain({ revision, isDelete }: Seen): boolean {
    return !this.#keepsDeletions && isDelete && this.#store.find(revision) !== null;
  }

  #inRange(spec: WatchSpec): readonly Seen[] {
    const name = JSON.stringify([spec.key, spec.end]);
    const known = this.#byRange.get(name);
    if (known !== undefined) return known;
    const range = visibleRange(spec);
    const found = this.#events.filter(({ key }) => covers(range, key));
    this.#byRange.set(name, found);
    return found;
  }
}
