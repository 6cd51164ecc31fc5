/**
 * One watch stream at a member, as etcd serves it (server/etcdserver/api/v3rpc/watch.go and mvcc/watchable_store.go): a
 * control queue and an event queue that one loop sends from in any order, except that a watch's events wait for its `created`.
 */
import type { Requests, Responses } from '../../src/call/call.ts';
import type { Status } from '../../src/grpc/status.ts';
import type { Member } from './member.ts';
import { lost, networkDelay, SendLoop, type SendLoopHost } from './send-loop.ts';
import { contains, encodeEvent, isEmpty, type StoreEvent } from './store.ts';
import { type CreateSpec, decodeRequest, headerField } from './wire.ts';

const staleTokenReason = 'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token';
const compactedReason = 'etcdserver: mvcc: required revision has been compacted';

interface ServedWatch {
  readonly id: number;
  readonly create: CreateSpec;
  minRevision: number;
  state: 'synced' | 'unsynced' | 'parked' | 'compacted';
  /** Had no event since the last notification. */
  isQuiet: boolean;
}

/** What the stream needs of the upstream. */
export interface WatchServerHost extends SendLoopHost {
  onViolation(what: string): void;
}

export class WatchServer implements Requests<'tenant'> {
  readonly tenant: string;
  readonly requiresLeader: boolean;
  isOver = false;
  readonly #host: WatchServerHost;
  readonly #member: Member;
  readonly #responses: Responses<'tenant'>;
  readonly #watches = new Map<number, ServedWatch>();
  /** Requests on their way. */
  #inbox: Uint8Array[] = [];
  readonly #sendLoop: SendLoop;
  #isReceiveDue = false;
  #isNotifying = false;
  #hasPausedRequests = false;

  constructor(
    host: WatchServerHost,
    member: Member,
    tenant: string,
    requiresLeader: boolean,
    responses: Responses<'tenant'>,
  ) {
    this.#host = host;
    this.#member = member;
    this.tenant = tenant;
    this.requiresLeader = requiresLeader;
    this.#responses = responses;
    this.#sendLoop = new SendLoop(this, host, member, responses);
    member.streams.add(this);
  }

  // ---- Requests ----

  send(message: Uint8Array): void {
    if (this.isOver) {
      if (this.#wasCancelled) this.#host.onViolation('a request after cancel');
      return;
    }
    const { faults } = this.#host;
    const { random } = this.#member;
    if (random.chance(faults.cut)) {
      this.end(lost);
      return;
    }
    this.#inbox.push(message);
    if (!this.#hasPausedRequests && random.chance(faults.pauseRequests)) {
      this.#hasPausedRequests = true;
      this.#responses.pauseRequests();
      this.#member.time.after(random.below(300), () => {
        this.#hasPausedRequests = false;
        if (!this.isOver) this.#responses.resumeRequests();
      });
    }
    this.#scheduleReceive();
  }

  halfClose(): void {}
  pauseResponses(): void {}
  resumeResponses(): void {}

  #wasCancelled = false;

  cancel(): void {
    if (this.isOver) return;
    this.#wasCancelled = true;
    this.#close();
  }

  /** Ends the stream from below. */
  end(ended: Status): void {
    if (this.isOver) return;
    this.#close();
    this.#responses.end(ended);
  }

  #close(): void {
    this.isOver = true;
    this.#member.streams.delete(this);
    this.#watches.clear();
  }

  #scheduleReceive(): void {
    if (this.#isReceiveDue) return;
    this.#isReceiveDue = true;
    this.#member.time.after(networkDelay(this.#host.faults, this.#member.random), () => {
      this.#isReceiveDue = false;
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const message of inbox) if (!this.isOver) this.#receive(message);
    });
  }

  #receive(message: Uint8Array): void {
    const request = decodeRequest(message);
    if (request.kind === 'create') this.#create(request.create);
    else if (request.kind === 'progress') this.#requestProgress();
    else if (this.#watches.delete(request.watchId)) {
      this.#sendLoop.control({ header: this.#header(), watchId: request.watchId, canceled: true });
    }
  }

  #header(): Uint8Array {
    return headerField(this.#member.id, this.#member.revision);
  }

  #create(create: CreateSpec): void {
    const member = this.#member;
    const { startRevision, watchId } = create;
    if (member.random.chance(this.#host.faults.staleToken)) this.#reject(staleTokenReason);
    else if (isEmpty(create)) this.#reject('mvcc: watcher range is empty');
    else if (startRevision < 0 && !member.isOld) this.#reject(compactedReason);
    else if (this.#watches.has(watchId)) this.#host.onViolation('a duplicate upstream watch ID');
    else {
      const isSynced = startRevision > member.revision || startRevision === 0;
      const watch: ServedWatch = {
        id: watchId,
        create,
        minRevision: isSynced ? Math.max(startRevision, member.revision + 1) : startRevision,
        state: isSynced ? 'synced' : 'unsynced',
        isQuiet: true,
      };
      this.#watches.set(watchId, watch);
      if (!isSynced) member.scheduleSync();
      if (create.progressNotify) this.#startNotifying();
      this.#sendLoop.control({ header: this.#header(), watchId, created: true });
    }
  }

  #reject(reason: string): void {
    const header = this.#header();
    this.#sendLoop.control({ header, watchId: -1, created: true, canceled: true, reason });
  }

  // ---- Progress ----

  #requestProgress(): void {
    const { isOld, revision } = this.#member;
    const response = { header: this.#header(), watchId: -1 };
    if (isOld) this.#sendLoop.control(response);
    else if (this.#watches.size > 0) {
      for (const { state, create } of this.#watches.values()) {
        if (state !== 'synced' || revision < create.startRevision) return;
      }
      this.#sendLoop.events(response);
    }
  }

  #startNotifying(): void {
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    this.#member.time.after(this.#host.faults.notifyMs, () => {
      this.#isNotifying = false;
      if (this.isOver) return;
      const { isOld, revision } = this.#member;
      for (const watch of this.#watches.values()) {
        const isDue = watch.isQuiet && watch.state === 'synced';
        if (isDue && (isOld || revision >= watch.create.startRevision)) {
          this.#sendLoop.events({ header: this.#header(), watchId: watch.id });
        }
        watch.isQuiet = true;
      }
      if (this.#watches.size > 0) this.#startNotifying();
    });
  }

  // ---- Events ----

  /** The member has applied a transaction. */
  notify(revision: number, events: readonly StoreEvent[]): void {
    const { random, isOld } = this.#member;
    const { faults } = this.#host;
    for (const watch of this.#watches.values()) {
      if (watch.state !== 'synced') continue;
      const isLeaked = revision < watch.minRevision && isOld && random.chance(faults.leak);
      if (revision < watch.minRevision && !isLeaked) continue;
      const own = this.#ofWatch(watch, events);
      if (own.length === 0) continue;
      if (random.chance(faults.park)) {
        // Parked with its events, then behind the others until the next synchronization.
        watch.state = 'parked';
        watch.minRevision = Math.max(watch.minRevision, revision);
        this.#member.time.after(10, () => {
          watch.state = 'unsynced';
          this.#member.scheduleSync();
        });
        continue;
      }
      watch.minRevision = Math.max(watch.minRevision, revision + 1);
      this.#sendWatchEvents(watch, own);
    }
  }

  /** One round of the loop that brings watches up to date. */
  sync(): void {
    const { compactRevision, revision, store } = this.#member;
    let isBehind = false;
    for (const watch of this.#watches.values()) {
      if (watch.state !== 'unsynced') continue;
      if (watch.minRevision < compactRevision) {
        watch.state = 'compacted';
        this.#sendLoop.events({
          header: headerField(1, 0),
          watchId: watch.id,
          canceled: true,
          compactRevision,
        });
        continue;
      }
      const all = store
        .eventsOf(this.tenant)
        .filter((event) => event.revision >= watch.minRevision && event.revision <= revision);
      const own = this.#ofWatch(watch, all);
      const batch = this.#firstRevisions(own);
      if (batch.length < own.length) {
        watch.minRevision = (batch.at(-1) as StoreEvent).revision + 1;
        isBehind = true;
      } else {
        watch.minRevision = Math.max(watch.minRevision, revision + 1);
        watch.state = 'synced';
      }
      if (batch.length > 0) this.#sendWatchEvents(watch, batch);
    }
    if (isBehind) this.#member.scheduleSync();
  }

  #firstRevisions(events: readonly StoreEvent[]): readonly StoreEvent[] {
    let revisions = 0;
    let newest = 0;
    for (const [i, { revision }] of events.entries()) {
      if (revision === newest) continue;
      if (revisions === this.#host.faults.batchRevisions) return events.slice(0, i);
      revisions += 1;
      newest = revision;
    }
    return events;
  }

  #ofWatch({ create }: ServedWatch, events: readonly StoreEvent[]): readonly StoreEvent[] {
    return events.filter(({ tenant, key }) => tenant === this.tenant && contains(create, key));
  }

  #sendWatchEvents(watch: ServedWatch, events: readonly StoreEvent[]): void {
    watch.isQuiet = false;
    const { compactRevision } = this.#member;
    const encoded = events.map((event) => {
      const isReadable = event.revision - 1 >= compactRevision;
      return encodeEvent(event, watch.create.prevKv && isReadable);
    });
    this.#sendLoop.events({ header: this.#header(), watchId: watch.id, events: encoded });
  }
}
