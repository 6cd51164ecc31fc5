/**
 * A watch stream of a client whose watchers join feeds. It keeps the protocol that the client sees: watch IDs, the order of
 * responses to creates, cancels, progress, fragments. It has no stream to etcd of its own.
 */
import { builtMessage, type Message, type Requests, type Responses } from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import { requestFault } from '../../call/request-fault.ts';
import { method } from '../../etcd/methods.ts';
import { requestRewriter } from '../../etcd/rewriters.ts';
import { Code, type Status, status } from '../../grpc/status.ts';
import { Reader } from '../../protobuf/reader.ts';
import { varintField } from '../../protobuf/varint-field.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { CancelTimer } from '../../runtime/clock.ts';
import { asOwned } from '../../runtime/owned-bytes.ts';
import type { CompactionFloor } from '../../tenant/compaction-floor.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import type { Chunk } from '../hub/batch.ts';
import { ProgressRequests } from '../hub/progress-requests.ts';
import type { TenantHub } from '../hub/tenant-hub.ts';
import type { WatchResponse } from '../hub/watch-response.ts';
import { Watcher, type WatcherStream } from '../hub/watcher.ts';
import { fragmentsOf, headOf, mustFragment } from './event-response.ts';
import {
  type CreateRequest,
  cancelField,
  contentOf,
  createField,
  duplicateId,
  type LocalResponse,
  overLimit,
  progressField,
  readCreate,
  writeEnd,
  writeProgress,
  writeResponse,
} from './messages.ts';
import type { OpenWatches } from './open-watches.ts';
import { PendingCreates } from './pending-creates.ts';
import { withoutPreviousBelow } from './previous-values.ts';
import { type WatchId, WatchIds } from './watch-ids.ts';
import type { WatchLimits } from './watch-limits.ts';

const watchMethod = method('etcdserverpb.Watch/Watch');
const joinTimedOut = status(Code.UNAVAILABLE, 'etcd did not respond to a watch in time', 'lost');

export class SharedStream implements Requests<'tenant'>, WatcherStream {
  isPaused = false;
  readonly watchers = new Map<Watcher, WatchId>();
  readonly #above: Responses<'tenant'>;
  readonly #hub: TenantHub;
  readonly #tenant: Tenant;
  readonly #limits: WatchLimits;
  readonly #open: OpenWatches;
  readonly #ids: WatchIds;
  readonly #byId = new Map<bigint, Watcher>();
  readonly #progress: ProgressRequests;
  readonly #pending = new PendingCreates();
  #detached: Watcher[] = [];
  /** Creates over a limit, to be rejected once no create is pending. Counted, so that they cost no memory. */
  #overLimit = 0;
  #cancelJoinTimer: CancelTimer | null = null;
  #cancelDeadline: CancelTimer = () => {};
  #isEnded = false;

  constructor(
    above: Responses<'tenant'>,
    hub: TenantHub,
    tenant: Tenant,
    limits: WatchLimits,
    open: OpenWatches,
  ) {
    this.#above = above;
    this.#open = open;
    this.#ids = new WatchIds(open);
    this.#hub = hub;
    this.#tenant = tenant;
    this.#limits = limits;
    this.#progress = new ProgressRequests(hub, this);
  }

  /** Ends the stream at the client's deadline: a shared stream has no call at etcd that could expire. */
  limitTo(deadlineMs: number): void {
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#hub.context;
    const remainingMs = Math.max(0, deadlineMs - clock.nowMs());
    this.#cancelDeadline = clock.after(remainingMs, () =>
      this.onStreamEnded(refusal('deadline-passed')),
    );
  }

  // ---- From the client ----

  /** Makes the checks of the namespace, which only sees the requests of streams that are not shared. */
  send(message: Message<'tenant'>): void {
    if (this.#isEnded) return;
    const checked = requestRewriter(watchMethod).rewrite(message, this.#tenant.keySpace);
    if (typeof checked === 'string') {
      this.onStreamEnded(requestFault(watchMethod, checked));
      return;
    }
    const reader = new Reader(message);
    while (reader.next()) {
      if (reader.field === createField) this.#create(readCreate(reader.message()));
      else if (reader.field === cancelField) this.#cancelWatch(reader.bytes());
      else if (reader.field === progressField) this.#progress.request();
      if (this.#isEnded) return;
    }
    if (reader.malformed) this.onStreamEnded(refusal('malformed'));
  }

  /** Events continue until the client resets the stream. */
  halfClose(): void {}

  cancel(): void {
    this.#close();
  }

  pauseResponses(): void {
    this.isPaused = true;
  }

  resumeResponses(): void {
    this.isPaused = false;
    this.#flush();
    const detached = this.#detached;
    this.#detached = [];
    for (const [i, watcher] of detached.entries()) {
      if (this.isPaused) {
        this.#detached.push(...detached.slice(i));
        return;
      }
      this.#hub.resume(watcher);
    }
    this.#progress.flush();
  }

  // ---- From the hub ----

  onReady(watcher: Watcher, header: Uint8Array): void {
    const pending = this.#pending.of(watcher);
    const id = this.watchers.get(watcher)?.id;
    if (pending === null || id === undefined) return;
    pending.response = writeResponse({ kind: 'created', id }, header);
    this.#flush();
  }

  deliverChunk(watcher: Watcher, delivered: Chunk): void {
    watcher.isActive = true;
    const chunk = this.#visible(watcher, delivered);
    if (watcher.spec.hasFragments && mustFragment(chunk)) {
      const pieces = fragmentsOf(chunk);
      for (const [i, piece] of pieces.entries()) {
        if (this.#isEnded) return;
        const head = headOf(chunk.header, watcher.idField, i + 1 < pieces.length);
        this.#above.deliverShared(head, piece as Message<'tenant'>);
      }
    } else {
      const head = headOf(chunk.header, watcher.idField, false);
      this.#above.deliverShared(head, chunk.events as Message<'tenant'>);
    }
  }

  #visible({ spec }: Watcher, chunk: Chunk): Chunk {
    if (!(spec.prevKv && spec.startsAtFloor)) return chunk;
    return { ...chunk, events: withoutPreviousBelow(chunk.events, spec.startRevision) };
  }

  deliverPosition(watcher: Watcher, header: Uint8Array): void {
    const message = new Writer().raw(header).raw(watcher.idField).finish();
    this.#above.deliver(builtMessage(message));
  }

  deliverProgress(header: Uint8Array): void {
    this.#above.deliver(builtMessage(writeProgress(header)));
  }

  onDetached(watcher: Watcher): void {
    if (this.isPaused) this.#detached.push(watcher);
    else this.#hub.resume(watcher);
  }

  onWatchEnded(watcher: Watcher, response: WatchResponse): void {
    const watchId = this.watchers.get(watcher);
    if (watchId === undefined) return;
    this.watchers.delete(watcher);
    this.#byId.delete(watchId.id);
    this.#hub.leave(watcher);
    const pending = this.#pending.of(watcher);
    if (response.isCreated && pending !== null) {
      this.#ids.settle(watchId, null);
      pending.response = asOwned(Buffer.from(response.message));
      pending.mustStart = false;
      this.#flush();
      return;
    }
    // The ID stays in use until the client cancels it, as in etcd.
    this.#ids.closed(watchId);
    const { header, compactRevision, cancelReason } = response;
    const end = writeEnd(header, watchId.id, compactRevision, cancelReason);
    if (pending === null) {
      this.#above.deliver(builtMessage(end));
      return;
    }
    // The response to the create is still waiting for earlier ones, and comes first.
    pending.response ??= writeResponse({ kind: 'created', id: watchId.id }, contentOf(header));
    pending.mustStart = false;
    this.#pending.pushResponse(end);
    this.#flush();
  }

  onStreamEnded(ended: Status): void {
    if (this.#isEnded) return;
    this.#close();
    this.#above.end(ended);
  }

  // ---- Creates and cancels ----

  #create(create: CreateRequest | null): void {
    if (create === null) {
      this.onStreamEnded(refusal('malformed'));
      return;
    }
    const { watchersMax, createsPendingMax } = this.#limits;
    const isUsed = create.watchId !== 0n && this.#ids.holder(create.watchId) !== null;
    if (this.#overLimit > 0 || this.#pending.length >= createsPendingMax) this.#rejectOverLimit();
    else if (create.isEmpty) this.#join(create, null);
    else if (isUsed) this.#respond(duplicateId);
    else if (this.#ids.size >= watchersMax) this.#rejectOverLimit();
    else if (this.#tenant.state.floor.isAbove(create.startRevision)) {
      const { id } = this.#ids.take(create.watchId, true);
      const { revision } = this.#tenant.state.floor;
      this.#respond({ kind: 'created', id }, { kind: 'compacted', id, revision });
    } else if (!this.#open.hasRoom()) this.#rejectOverLimit();
    else this.#join(create, this.#ids.take(create.watchId, false));
  }

  /** `watchId` is null if etcd is certain to reject the create. */
  #join(create: CreateRequest, watchId: WatchId | null): void {
    const id = watchId?.id ?? 0n;
    const watcher = new Watcher(
      specOf(create, this.#tenant.state.floor),
      this,
      idFieldOf(id),
      this.#hub.context.clock.nowMs(),
    );
    this.watchers.set(watcher, watchId ?? rejectedId);
    if (watchId !== null) this.#byId.set(id, watcher);
    this.#pending.push(watcher);
    this.#cancelJoinTimer ??= this.#startJoinTimer();
    this.#hub.join(watcher);
  }

  #rejectOverLimit(): void {
    this.#overLimit += 1;
    this.#flush();
  }

  /** All responses are queued before the first is sent: the client may cancel the watch as soon as it has that. */
  #respond(...responses: readonly LocalResponse[]): void {
    const header = this.#headerFor(null);
    for (const each of responses) {
      this.#pending.pushResponse(writeResponse(each, header));
    }
    this.#flush();
  }

  /** etcd does not respond to the cancel of an ID that is not in use. */
  #cancelWatch(request: Uint8Array): void {
    const id = varintField(request, 1);
    if (typeof id === 'string') {
      this.onStreamEnded(refusal(id));
      return;
    }
    if (this.#ids.holder(id) === null) return;
    const watcher = this.#byId.get(id) ?? null;
    const header = this.#headerFor(watcher);
    const pending = watcher && this.#pending.of(watcher);
    if (pending !== null) {
      pending.mustStart = false;
      if (pending.response === null) {
        pending.response = writeResponse({ kind: 'created', id }, header);
      }
    }
    this.#ids.release(id);
    if (watcher !== null) this.#remove(watcher, id);
    this.#respond({ kind: 'canceled', id });
  }

  #remove(watcher: Watcher, id: bigint): void {
    this.watchers.delete(watcher);
    this.#byId.delete(id);
    this.#hub.leave(watcher);
  }

  #headerFor(watcher: Watcher | null): Uint8Array {
    const header = this.#hub.headerFor(watcher);
    return header.length > 0 ? header : this.#tenant.state.floor.header;
  }

  /** Responds to creates in order, as far as their responses are known. */
  #flush(): void {
    while (!(this.isPaused || this.#isEnded)) {
      const { first } = this.#pending;
      if (first === null || first.response === null) break;
      // Removed first: what follows may flush again.
      this.#pending.shift();
      this.#above.deliver(builtMessage(first.response));
      if (first.mustStart && first.watcher !== null) this.#hub.start(first.watcher);
    }
    if (this.#pending.length > 0) return;
    this.#cancelJoinTimer?.();
    this.#cancelJoinTimer = null;
    while (this.#overLimit > 0 && !(this.isPaused || this.#isEnded)) {
      this.#overLimit -= 1;
      this.#above.deliver(builtMessage(writeResponse(overLimit, this.#headerFor(null))));
    }
  }

  #startJoinTimer(): CancelTimer {
    const { clock, limits } = this.#hub.context;
    const oldest = this.#pending.first;
    return clock.after(limits.joinTimeoutMs, () => {
      this.#cancelJoinTimer = null;
      const { first } = this.#pending;
      if (first === null) return;
      if (first === oldest && first.response === null) this.onStreamEnded(joinTimedOut);
      else this.#cancelJoinTimer = this.#startJoinTimer();
    });
  }

  #close(): void {
    this.#isEnded = true;
    this.#ids.closeAll();
    this.#cancelDeadline();
    this.#cancelJoinTimer?.();
    this.#progress.close();
    for (const watcher of this.watchers.keys()) this.#hub.leave(watcher);
    this.watchers.clear();
    this.#byId.clear();
    this.#pending.clear();
    this.#detached = [];
  }
}

/** The `watch_id` fields of low IDs, which every stream uses. 1,024 take 0.2 MB. */
const idFields: Uint8Array[] = [];
const sharedIdsMax = 1_024n;

function idFieldOf(id: bigint): Uint8Array {
  const field = new Writer().varint(2, id).finish();
  if (id < 0n || id >= sharedIdsMax) return field;
  const index = Number(id);
  const known = idFields[index];
  if (known !== undefined) return known;
  idFields[index] = field;
  return field;
}

/** The placeholder for the ID of a create that etcd is certain to reject. */
const rejectedId: WatchId = {
  id: -1n,
  isLocal: false,
  drawnAt: null,
  isOpen: false,
  isCreated: false,
};

function specOf(create: CreateRequest, floor: CompactionFloor): Watcher['spec'] {
  const { range, startRevision, isEmpty, prevKv, filter, hasFragments, hasProgressNotify } = create;
  // The range is a view of the request, and a watcher lives long.
  const { key, end } = range;
  return {
    range: { key: Uint8Array.from(key), end: Uint8Array.from(end) },
    startRevision,
    startsAtFloor: floor.isAt(startRevision),
    isEmpty,
    prevKv,
    filter,
    hasFragments,
    hasProgressNotify,
  };
}
