/**
 * A watch stream of a client that is not shared: it has one stream to etcd of its own. Used where the client's own credentials
 * are passed to the cluster, and where sharing is switched off. It decides which watch IDs are in use, and which creates start
 * below the tenant's compaction floor. A create is sent with the ID that it will get, so that the watches etcd serves and
 * those that the proxy rejects share one space of IDs. All other messages, above all events, pass unchanged.
 */
import { builtMessage, type Message, type OwnedMessage, type Responses } from '../../call/call.ts';
import { CallLayer } from '../../call/forwarding.ts';
import { type RefusalName, refusal } from '../../call/refusals.ts';
import type { Status } from '../../grpc/status.ts';
import { Reader } from '../../protobuf/reader.ts';
import { varintField } from '../../protobuf/varint-field.ts';
import { asOwned } from '../../runtime/owned-bytes.ts';
import type { CompactionFloor } from '../../tenant/compaction-floor.ts';
import {
  type CreateRequest,
  cancelField,
  createField,
  duplicateId,
  type LocalResponse,
  overLimit,
  readCreate,
  withWatchId,
  writeResponse,
} from './messages.ts';
import type { OpenWatches } from './open-watches.ts';
import { withoutPreviousBelow } from './previous-values.ts';
import { ResponseQueue } from './response-queue.ts';
import { type WatchId, WatchIds } from './watch-ids.ts';
import type { WatchLimits } from './watch-limits.ts';

/** The four numbers of a ResponseHeader take at most 11 bytes each. A longer header is not kept. */
const headerBytesMax = 64;
/** In WatchResponse. */
const watchIdField = 2;

type CreateDecision = 'over limit' | 'duplicate' | 'rejected by etcd' | 'compacted' | 'watching';

export class DirectStream extends CallLayer<'tenant', 'tenant'> {
  readonly #floor: CompactionFloor;
  readonly #limits: WatchLimits;
  readonly #open: OpenWatches;
  readonly #ids: WatchIds;
  readonly #queue = new ResponseQueue();
  /** Creates over a limit, to be rejected once the queue is empty. Counted and not queued, so that they cost no memory. */
  #overLimit = 0;
  /** The client applies backpressure: responses of the proxy stay in the queue. */
  #isPaused = false;
  /** The newest header on this stream. A copy, because it is kept for long. */
  readonly #header = new Uint8Array(headerBytesMax);
  #headerBytes = 0;
  /** Watches with previous values that started at the revision that was compacted then, with that revision. */
  readonly #startsAtFloor = new Map<bigint, number>();

  constructor(
    above: Responses<'tenant'>,
    floor: CompactionFloor,
    limits: WatchLimits,
    open: OpenWatches,
  ) {
    super(above);
    this.#open = open;
    this.#ids = new WatchIds(open);
    this.#floor = floor;
    this.#limits = limits;
  }

  /** Progress requests and request types that a later etcd adds pass unchanged. */
  override send(message: Message<'tenant'>): void {
    if (this.isEnded) return;
    const reader = new Reader(message);
    while (reader.next()) {
      if (reader.field === createField || reader.field === cancelField) break;
    }
    if (reader.field === createField) this.#create(message, reader);
    else if (reader.field === cancelField) this.#cancelWatch(message, reader);
    else this.requests.send(message);
  }

  override abort(status: Status): void {
    if (!this.isEnded) this.#ids.closeAll();
    super.abort(status);
  }

  override end(status: Status): void {
    if (!this.isEnded) this.#ids.closeAll();
    super.end(status);
  }

  override cancel(): void {
    if (!this.isEnded) this.#ids.closeAll();
    super.cancel();
  }

  override pauseResponses(): void {
    this.#isPaused = true;
    super.pauseResponses();
  }

  override resumeResponses(): void {
    this.#isPaused = false;
    this.#flush();
    if (!this.#isPaused) super.resumeResponses();
  }

  override deliver(message: OwnedMessage<'tenant'>): void {
    if (this.isEnded) return;
    let isCreated = false;
    let isCanceled = false;
    const reader = new Reader(message);
    while (reader.next()) {
      if (reader.field === 1) this.#keepHeader(message, reader.valueStart, reader.fieldEnd);
      else if (reader.field === 3) isCreated = reader.bool();
      else if (reader.field === 4) isCanceled = reader.bool();
    }
    if (isCreated) this.#onCreated(message, isCanceled);
    else if (isCanceled) this.#onCanceled(message);
    this.above.deliver(this.#startsAtFloor.size > 0 ? this.#visible(message) : message);
    if (isCreated) this.#flush();
  }

  #visible(message: OwnedMessage<'tenant'>): OwnedMessage<'tenant'> {
    const id = varintField(message, watchIdField);
    const floor = typeof id === 'bigint' ? (this.#startsAtFloor.get(id) ?? 0) : 0;
    const visible = withoutPreviousBelow(message, floor);
    return visible === message ? message : builtMessage(asOwned(visible));
  }

  #create(message: Message<'tenant'>, reader: Reader): void {
    const create = readCreate(reader.message());
    if (create === null || reader.malformed) {
      this.abort(refusal('malformed'));
      return;
    }
    const decision = this.#decide(create);
    switch (decision) {
      case 'over limit':
        this.#overLimit += 1;
        this.#flush();
        break;
      case 'duplicate':
        this.#respond(duplicateId);
        break;
      case 'rejected by etcd':
        this.#sendCreate(message, null);
        break;
      case 'compacted': {
        const { id } = this.#ids.take(create.watchId, true);
        this.#respond({ kind: 'created', id });
        this.#respond({ kind: 'compacted', id, revision: this.#floor.revision });
        break;
      }
      case 'watching': {
        const taken = this.#ids.take(create.watchId, false);
        if (create.prevKv && this.#floor.isAt(create.startRevision)) {
          this.#startsAtFloor.set(taken.id, create.startRevision);
        }
        // proto3 cannot carry the ID 0. It is the first ID that etcd allocates, and no other create lets etcd allocate one.
        const hasId = create.watchId !== 0n || taken.id === 0n;
        this.#sendCreate(hasId ? message : withWatchId(message, reader, taken.id), taken);
        break;
      }
      default:
        decision satisfies never;
    }
  }

  /**
   * Checks in etcd's order: the range, the ID, then the revision. A create that etcd is certain to reject is sent all the
   * same, so that the response is etcd's own. An ID that only the proxy holds etcd would accept.
   */
  #decide({ watchId, startRevision, isEmpty }: CreateRequest): CreateDecision {
    const { watchersMax, createsPendingMax } = this.#limits;
    if (this.#overLimit > 0 || this.#queue.length >= createsPendingMax) return 'over limit';
    if (isEmpty) return 'rejected by etcd';
    const holder = watchId === 0n ? null : this.#ids.holder(watchId);
    if (holder !== null) return holder.isLocal ? 'duplicate' : 'rejected by etcd';
    if (this.#ids.size >= watchersMax) return 'over limit';
    if (this.#floor.isAbove(startRevision)) return 'compacted';
    return this.#open.hasRoom() ? 'watching' : 'over limit';
  }

  /** etcd does not respond to the cancel of an ID that is not in use, so such a cancel is sent as well. */
  #cancelWatch(message: Message<'tenant'>, reader: Reader): void {
    const cancel = reader.bytes();
    const id: bigint | RefusalName = reader.malformed ? 'malformed' : varintField(cancel, 1);
    if (typeof id === 'string') {
      this.abort(refusal(id));
      return;
    }
    const holder = this.#ids.holder(id);
    this.#ids.release(id);
    this.#startsAtFloor.delete(id);
    if (holder?.isLocal) this.#respond({ kind: 'canceled', id });
    else this.requests.send(message);
  }

  #sendCreate(message: Message<'tenant'>, watchId: WatchId | null): void {
    // Queued before it is sent: the response may arrive before `send` returns.
    this.#queue.pushExpected(watchId);
    this.requests.send(message);
  }

  #respond(response: LocalResponse): void {
    this.#queue.pushLocal(response);
    this.#flush();
  }

  /**
   * etcd has responded to the oldest create that it has. The proxy's responses before it leave now, even if the client applies
   * backpressure: the order takes precedence, and the queue is bounded.
   */
  #onCreated(created: OwnedMessage<'tenant'>, isRejected: boolean): void {
    let first = this.#queue.shift();
    while (first?.from === 'proxy') {
      this.#write(first.response);
      first = this.#queue.shift();
    }
    if (first === null) return;
    const id = varintField(created, watchIdField);
    const isHeld = !isRejected && typeof id === 'bigint';
    this.#ids.settle(first.watchId, isHeld ? id : null);
  }

  /** etcd has ended a watch. The response to a cancel names an ID that was released before, and that may be in use again. */
  #onCanceled(canceled: OwnedMessage<'tenant'>): void {
    const id = varintField(canceled, watchIdField);
    const holder = typeof id === 'bigint' ? this.#ids.holder(id) : null;
    if (holder?.isCreated) this.#ids.closed(holder);
  }

  #flush(): void {
    while (!(this.#isPaused || this.isEnded || this.#queue.isWaitingForEtcd)) {
      const first = this.#queue.shift();
      if (first?.from === 'proxy') this.#write(first.response);
      else if (this.#overLimit > 0) {
        this.#overLimit -= 1;
        this.#write(overLimit);
      } else return;
    }
  }

  #write(response: LocalResponse): void {
    const seen = this.#header.subarray(0, this.#headerBytes);
    const header = seen.length > 0 ? seen : this.#floor.header;
    this.above.deliver(builtMessage(writeResponse(response, header)));
  }

  #keepHeader(message: Uint8Array, start: number, end: number): void {
    if (end - start > headerBytesMax) return;
    // A loop, because a view for `set` would be one more object per message.
    for (let at = start; at < end; at++) this.#header[at - start] = message[at] as number;
    this.#headerBytes = end - start;
  }
}
