/**
 * One watch and everything that it received. Each response is checked when it arrives, for what a response alone can violate;
 * the events are compared with the history at the end.
 */
import type { WatchResponse } from '../support/messages.ts';
import type { Compactions } from './compactions.ts';
import type { Reference } from './reference.ts';
import type { Seen } from './sight.ts';
import type { WatchSpec } from './watch-spec.ts';

/** What decides which ends of a watch are right. */
export interface Judge {
  /** Compactions of etcd. */
  readonly store: Compactions;
  /** Compactions by the tenant, which only the proxy knows. Null for a watch opened directly. */
  readonly tenant: Compactions | null;
  /** etcd notifies idle watches so often that a feed knows its position, and survives the compaction of what is old. */
  readonly notifiesOften: boolean;
  /** Whether something may have separated etcd and the watch between these two times. */
  wasDisturbed(fromMs: number, toMs: number): boolean;
}

interface Received extends Seen {
  /** Compactions that began before the event arrived. A previous value at or after this revision must be there. */
  readonly compacted: number;
}

/**
 * creating ─created─▶ open ─cancelled by the server─▶ compacted
 *     ▲                 │  ─closed by the client───▶ closed
 *     └──stream lost────┘
 */
export type WatchState = 'creating' | 'open' | 'compacted' | 'closed';

/** A compaction cancels a watch that was created this long before only if the watch lost its place. */
const catchUpMsMax = 3_000;
/** No disturbance keeps a watch from catching up for so long. */
const inSyncMsMin = 6_000;

export class ObservedWatch {
  readonly name: string;
  readonly spec: WatchSpec;
  readonly received: Received[] = [];
  readonly problems: string[] = [];
  state: WatchState = 'creating';
  /** The revision in the first response. */
  createdRevision = 0;
  /** The first revision that it reports. */
  from: number;
  /** As a client resumes it. */
  next: number;
  /** Streams that were lost under it. */
  losses = 0;
  notifications = 0;
  /** It was cancelled long after it was created, and had lost its place. */
  isCancelledLate = false;
  /** Its stream was paused at some time. */
  wasPaused = false;
  readonly #judge: Judge;
  /** The tenant had compacted beyond the start when the create was sent. */
  #mustBeCompacted = false;
  /** Starts that the tenant had compacted, but nothing after them, when the create was sent. */
  readonly #floors = new Set<number>();
  #knownRevision = 0;
  #createdAtMs = 0;
  /** Everything up to this revision was said to have been delivered. */
  #promised = 0;
  #isFragmented = false;
  #cancelSent = false;

  constructor(name: string, spec: WatchSpec, judge: Judge) {
    this.name = name;
    this.spec = spec;
    this.#judge = judge;
    this.from = spec.startRevision;
    this.next = spec.startRevision;
  }

  /** What the create says, now or after its stream was lost. `knownRevision` exists in the store. */
  startRevision(knownRevision: number): number {
    this.state = 'creating';
    this.#knownRevision = knownRevision;
    this.#isFragmented = false;
    const start = this.createdRevision === 0 ? this.spec.startRevision : this.next;
    const floor = this.#judge.tenant?.acknowledged ?? 0;
    this.#mustBeCompacted = start > 0 && start < floor;
    if (start > 0 && start === floor) this.#floors.add(start);
    // A client library delivers whole responses: it drops the pieces of the one that was lost.
    while ((this.received.at(-1)?.revision ?? 0) >= this.next && start > 0) this.received.pop();
    return start;
  }

  onLost(): void {
    this.losses += 1;
  }

  onCancelSent(): void {
    this.#cancelSent = true;
  }

  onCreated({ header, canceled, cancel_reason }: WatchResponse): void {
    const revision = Number(header?.revision);
    if (canceled) this.#object(`its create was rejected: ${cancel_reason}`);
    if (this.state !== 'creating') this.#object('it was created twice');
    this.state = 'open';
    this.#createdAtMs = performance.now();
    if (this.createdRevision > 0) return;
    if (this.#judge.tenant !== null && this.spec.startRevision === 0) {
      if (revision < this.#knownRevision) {
        this.#object(`it starts now after ${revision}, but ${this.#knownRevision} was before`);
      }
    }
    this.createdRevision = revision;
    if (this.from === 0) this.from = revision + 1;
    this.next = Math.max(this.next, this.from);
  }

  onResponse(response: WatchResponse, events: readonly Seen[]): void {
    // The client's own cancel, after the compaction's.
    if (this.state === 'compacted' && this.#cancelSent && response.canceled) return;
    if (this.state !== 'open') {
      this.#object(`a response in state ${this.state}: ${JSON.stringify(response)}`);
      return;
    }
    if (response.canceled) this.#onCanceled(response);
    else if (events.length > 0) this.#onEvents(response, events);
    else this.#onNotification(response);
  }

  /** A progress response of the whole stream. */
  onProgress(revision: number): void {
    if (this.state !== 'open') return;
    this.#promised = Math.max(this.#promised, revision);
    this.next = Math.max(this.next, revision + 1);
  }

  /** Compares the events with those that it must have. Returns everything that was wrong with it. */
  compare(reference: Reference): readonly string[] {
    if (this.#mustBeCompacted && this.state === 'open') this.#object('it starts below the floor');
    let count = 0;
    for (const wanted of reference.of(this)) {
      const got = this.received[count];
      if (got?.line === wanted.line) {
        this.#comparePrevious(got, wanted);
        count += 1;
      } else if (!reference.isUncertain(wanted)) {
        this.#onDifference(got, wanted);
        return this.problems;
      }
    }
    const more = this.received[count];
    if (more !== undefined) this.#object(`${more.line} has not happened`);
    return this.problems;
  }

  #onDifference(got: Received | undefined, wanted: Seen): void {
    if (got !== undefined) this.#object(`it has ${got.line} instead of ${wanted.line}`);
    else if (this.state === 'open' || this.state === 'creating') {
      this.#object(`${wanted.line} and what follows is missing, it is ${this.state}`);
    } else if (this.received.at(-1)?.revision === wanted.revision) {
      this.#object(`it has only a part of revision ${wanted.revision}`);
    }
  }

  #comparePrevious(got: Received, wanted: Seen): void {
    const previous = this.spec.prevKv && !this.#floors.has(got.revision) ? wanted.previous : '';
    if (got.previous === previous || (got.previous === '' && this.#hidesPrevious(got))) return;
    this.#object(`${got.line} was ${previous} before, not ${got.previous}`);
  }

  /**
   * Whether a compaction may hide the previous value, which is read at the revision before. A compaction of the store may be
   * faster than the read; one by the tenant hides the value from a watch that starts at the compacted revision.
   */
  #hidesPrevious({ revision, compacted }: Received): boolean {
    return revision - 1 < compacted || this.#judge.tenant?.find(revision) != null;
  }

  #onEvents({ header, fragment }: WatchResponse, events: readonly Seen[]): void {
    const compacted = this.#judge.store.newest;
    let last = this.received.at(-1)?.revision ?? 0;
    const [first] = events;
    // A revision may only continue in the next piece of the same response.
    if (first !== undefined && first.revision === last && !this.#isFragmented) {
      this.#object(`revision ${last} continues in another response`);
    }
    if (fragment && !this.spec.fragment) this.#object('a fragment that was not asked for');
    this.#isFragmented = fragment;
    for (const event of events) {
      const { revision } = event;
      if (revision < last) this.#object(`${revision} after ${last}`);
      if (revision < this.from) this.#object(`${revision}, but it starts at ${this.from}`);
      if (revision <= this.#promised) this.#object(`${revision} after progress ${this.#promised}`);
      last = revision;
      this.received.push({ ...event, compacted });
    }
    if (Number(header?.revision) < last) {
      this.#object(`the header of ${last} has revision ${header?.revision}`);
    }
    if (!fragment) this.next = last + 1;
  }

  #onNotification({ header, fragment }: WatchResponse): void {
    const revision = Number(header?.revision);
    if (!this.spec.progressNotify || fragment) this.#object('an empty response');
    // Before 3.4.38, 3.5.22 and 3.6.2 etcd notifies a watch that starts later.
    if (this.#judge.tenant !== null && revision < this.next - 1)
      this.#object(`progress ${revision}, it has ${this.next - 1}`);
    this.notifications += 1;
    this.#promised = Math.max(this.#promised, revision);
    this.next = Math.max(this.next, revision + 1);
  }

  #onCanceled({ compact_revision, cancel_reason }: WatchResponse): void {
    const revision = Number(compact_revision);
    if (this.#cancelSent && revision === 0 && cancel_reason === '') {
      this.state = 'closed';
      return;
    }
    this.state = 'compacted';
    if (revision === 0) this.#object(`it was cancelled: ${cancel_reason}`);
    else this.#checkCompaction(revision);
  }

  /** A watch is cancelled only if its next revision was compacted, and the revision is that of a compaction. */
  #checkCompaction(revision: number): void {
    const { store, tenant } = this.#judge;
    const cancelled = `it was cancelled with ${revision}`;
    if (revision <= this.next) this.#object(`${cancelled}, its next revision is ${this.next}`);
    const compaction = store.find(revision);
    if (compaction === null) {
      // What a tenant compacts concerns the creates after it alone.
      const isAtCreate = performance.now() - this.#createdAtMs < catchUpMsMax;
      if (tenant?.find(revision) && isAtCreate) return;
      this.#object(`${cancelled}, which no compaction had`);
      return;
    }
    const { beganAtMs, isOld } = compaction;
    if (beganAtMs < this.#createdAtMs + catchUpMsMax) return;
    this.isCancelledLate = true;
    const { notifiesOften } = this.#judge;
    const isDisturbed = this.#judge.wasDisturbed(this.#createdAtMs, performance.now());
    const isExplained =
      isDisturbed && !(isOld && notifiesOften && beganAtMs > this.#createdAtMs + inSyncMsMin);
    if (!isExplained && !this.wasPaused) this.#object(`${cancelled} while it was in sync`);
  }

  #object(what: string): void {
    // Enough to see what happened, even if the same follows a thousand times.
    if (this.problems.length < 5) this.problems.push(`${this.name}: ${what}`);
  }
}
