/**
 * One watch stream at a member, as etcd serves it (server/etcdserver/api/v3rpc/watch.go and mvcc/watchable_store.go): a
 * control queue and an event queue that one loop sends from in any order, except that a watch's events wait for its `created`.
 */
import type { Requests, Responses } from '../../src/call/call.ts';
import { Code, type Status, status } from '../../src/grpc/status.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import type { Faults } from './faults.ts';
import type { Member } from './member.ts';
import { contains, encodeEvent, type StoreEvent } from './store.ts';
import {
  type CreateSpec,
  decodeRequest,
  encodeResponse,
  headerField,
  type WatchResponseFields,
} from './wire.ts';

export const staleTokenReason =
  'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token';
export const compactedReason = 'etcdserver: mvcc: required revision has been compacted';
const lost: Status = status(Code.UNAVAILABLE, 'connection lost', 'lost');

interface ServedWatch {
  readonly id: number;
  readonly create: CreateSpec;
  minRevision: number;
  state: 'synced' | 'unsynced' | 'parked' | 'compacted';
  /** Had no event since the last notification. */
  isQuiet: boolean;
}

/** What the stream needs of the upstream. */
export interface WatchServerHost {
  readonly faults: Faults;
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
  #control: WatchResponseFields[] = [];
  #events: WatchResponseFields[] = [];
  readonly #announced = new Set<number>();
  readonly #unannounced = new Map<number, WatchResponseFields[]>();
  /** Responses on their way. */
  #outbox: Uint8Array[] = [];
  #isReceiveDue = false;
  #isSendDue = false;
  #isDeliveryDue = false;
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
    member.streams.add(this);
  }

  get watches(): number {
    return this.#watches.size;
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

  #delay(): number {
    const { networkMsMax } = this.#host.faults;
    return networkMsMax === 0 ? 0 : this.#member.random.below(networkMsMax + 1);
  }

  #scheduleReceive(): void {
    if (this.#isReceiveDue) return;
    this.#isReceiveDue = true;
    this.#member.time.after(this.#delay(), () => {
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
      this.#sendControl({ header: this.#header(), watchId: request.watchId, canceled: true });
    }
  }

  #header(): Uint8Array {
    return headerField(this.#member.id, this.#member.revision);
  }

  #create(create: CreateSpec): void {
    const { member } = { member: this.#member };
    const { key, end, startRevision, watchId } = create;
    const isEmpty = end !== '' && end !== '\0' && end <= key;
    if (member.random.chance(this.#host.faults.staleToken)) this.#reject(staleTokenReason);
    else if (isEmpty) this.#reject('mvcc: watcher range is empty');
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
      this.#sendControl({ header: this.#header(), watchId, created: true });
    }
  }

  #reject(reason: string): void {
    const header = this.#header();
    this.#sendControl({ header, watchId: -1, created: true, canceled: true, reason });
  }

  // ---- Progress ----

  #requestProgress(): void {
    const { isOld, revision } = this.#member;
    const response = { header: this.#header(), watchId: -1 };
    if (isOld) this.#sendControl(response);
    else if (this.#watches.size > 0) {
      for (const { state, create } of this.#watches.values()) {
        if (state !== 'synced' || revision < create.startRevision) return;
      }
      this.#sendEvents(response);
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
          this.#sendEvents({ header: this.#header(), watchId: watch.id });
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
        this.#sendEvents({
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
    this.#sendEvents({ header: this.#header(), watchId: watch.id, events: encoded });
  }

  // ---- Responses ----

  #sendControl(response: WatchResponseFields): void {
    this.#control.push(response);
    this.#scheduleSend();
  }

  #sendEvents(response: WatchResponseFields): void {
    this.#events.push(response);
    this.#scheduleSend();
  }

  #scheduleSend(): void {
    if (this.#isSendDue) return;
    this.#isSendDue = true;
    const { random, time } = this.#member;
    time.after(random.below(3), () => {
      this.#isSendDue = false;
      while (!this.isOver && this.#control.length + this.#events.length > 0) {
        const isControl =
          this.#events.length === 0 || (this.#control.length > 0 && random.chance(0.5));
        if (isControl) this.#transmitControl(this.#control.shift() as WatchResponseFields);
        else this.#transmitEvents(this.#events.shift() as WatchResponseFields);
      }
    });
  }

  #transmitControl(response: WatchResponseFields): void {
    this.#transmit(response);
    const { watchId } = response;
    if (response.canceled) this.#announced.delete(watchId);
    else if (response.created) {
      this.#announced.add(watchId);
      const held = this.#unannounced.get(watchId) ?? [];
      this.#unannounced.delete(watchId);
      for (const each of held) this.#transmitEvents(each);
    }
  }

  #transmitEvents(response: WatchResponseFields): void {
    const { watchId, events = [], canceled } = response;
    if (watchId !== -1 && !this.#announced.has(watchId)) {
      const held = this.#unannounced.get(watchId) ?? [];
      this.#unannounced.set(watchId, held);
      held.push(response);
      return;
    }
    if (canceled) this.#announced.delete(watchId);
    const { fragmentEvents } = this.#host.faults;
    for (let first = 0; first === 0 || first < events.length; first += fragmentEvents) {
      const fragment = first + fragmentEvents < events.length;
      const piece = events.slice(first, first + fragmentEvents);
      this.#transmit({ ...response, events: piece, fragment });
    }
  }

  #transmit(response: WatchResponseFields): void {
    this.#outbox.push(encodeResponse(response));
    if (this.#isDeliveryDue) return;
    this.#isDeliveryDue = true;
    this.#member.time.after(this.#delay(), () => this.#deliver());
  }

  /** Several messages may arrive in one turn, and the stream may be lost at any of them. */
  #deliver(): void {
    this.#isDeliveryDue = false;
    const { random, time } = this.#member;
    const count = random.chance(0.3) ? 1 : this.#outbox.length;
    for (let i = 0; i < count && !this.isOver; i++) {
      if (random.chance(this.#host.faults.cut)) {
        this.end(lost);
        return;
      }
      this.#responses.deliver(asOwned(this.#outbox.shift() as Uint8Array) as never);
    }
    if (this.isOver || this.#outbox.length === 0) return;
    this.#isDeliveryDue = true;
    time.after(this.#delay(), () => this.#deliver());
  }
}
