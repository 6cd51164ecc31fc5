/**
 * One watch stream to etcd that carries many watches of a tenant. The stream assigns the watch IDs, so a response finds its
 * owner without a search; only a rejected create has none, and etcd responds to creates in order.
 */
import {
  builtMessage,
  type Message,
  type OwnedMessage,
  ownedCopy,
  type Requests,
  type Responses,
} from '../../call/call.ts';
import { endedCall } from '../../grpc/call.ts';
import { Code, type Status, status } from '../../grpc/status.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Defer } from '../../runtime/turn.ts';
import { UpstreamProgress } from './upstream-progress.ts';
import type { UpstreamWatch, UpstreamWatchOwner, UpstreamWatchSpec } from './upstream-watch.ts';
import { WatchResponse } from './watch-response.ts';

const progressRequest: Message<'tenant'> = builtMessage(
  new Writer().message(3, new Uint8Array(0)).finish(),
);

export interface UpstreamStreamHooks {
  /** The stream has ended by itself. Called before the owners of its watches are. */
  readonly onEnded: (stream: UpstreamStream) => void;
  /** The stream has no watch left. */
  readonly onUnused: () => void;
  readonly defer: Defer;
  readonly clock: Clock;
}

/** Starts the stream's call. */
export type OpenCall = (responses: Responses<'tenant'>) => Requests<'tenant'>;

export class UpstreamStream implements Responses<'tenant'> {
  readonly #hooks: UpstreamStreamHooks;
  #requests: Requests<'tenant'> = endedCall;
  readonly #watches = new Map<number, StreamWatch>();
  /** Creates that etcd has not responded to, oldest first. */
  #creating: StreamWatch[] = [];
  #nextId = 1;
  readonly #progress: UpstreamProgress;
  #isEnded = false;
  /** The upstream applies backpressure: requests wait here. */
  #isPaused = false;
  #waiting: Message<'tenant'>[] = [];
  readonly #response = new WatchResponse();

  constructor(hooks: UpstreamStreamHooks) {
    this.#hooks = hooks;
    this.#progress = new UpstreamProgress(hooks.clock, () => this.#send(progressRequest));
  }

  get size(): number {
    return this.#watches.size;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  open(openCall: OpenCall): void {
    const requests = openCall(this);
    if (this.#isEnded) return;
    this.#requests = requests;
    this.#sendWaiting();
  }

  watch(spec: UpstreamWatchSpec, owner: UpstreamWatchOwner): UpstreamWatch {
    const watch = new StreamWatch(this, this.#nextId, owner, this.#progress.inFlight);
    this.#nextId += 1;
    this.#watches.set(watch.id, watch);
    this.#creating.push(watch);
    this.#send(createRequest(spec, watch.id));
    return watch;
  }

  requestProgress(): void {
    this.#progress.request();
  }

  /** A watch that is not created yet is cancelled once it is: etcd ignores the cancel of an unknown ID. */
  cancelWatch(watch: StreamWatch): void {
    this.#remove(watch);
    if (!this.#creating.includes(watch)) this.#sendCancel(watch.id);
  }

  /** Ends the stream without notice to the owners of its watches. */
  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#watches.clear();
    this.#requests.cancel();
  }

  deliver(message: OwnedMessage<'tenant'>): void {
    if (this.#isEnded) return;
    const response = this.#response;
    if (!response.read(message)) {
      this.#requests.cancel();
      this.end(status(Code.INTERNAL, 'malformed watch response', 'lost'));
      return;
    }
    if (response.isCreated) this.#onCreated(response);
    else if (response.watchId < 0) this.#onProgress(response);
    else {
      const watch = this.#watches.get(response.watchId);
      if (watch === undefined) return;
      if (response.isCanceled) {
        // Until its ID is released etcd responds to no progress request.
        this.#sendCancel(watch.id);
        this.#remove(watch);
        watch.owner.onCanceled(response);
      } else watch.owner.onEvents(response);
    }
  }

  deliverShared(head: Uint8Array, tail: Message<'tenant'>): void {
    this.deliver(ownedCopy(head, tail));
  }

  end(ended: Status): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#creating = [];
    this.#hooks.onEnded(this);
    // Later: the call may end while it is being started, or while the create of a watch is being sent.
    this.#hooks.defer(() => {
      const watches = [...this.#watches.values()];
      this.#watches.clear();
      for (const watch of watches) watch.owner.onLost(ended);
    });
  }

  pauseRequests(): void {
    this.#isPaused = true;
  }

  resumeRequests(): void {
    this.#isPaused = false;
    this.#sendWaiting();
  }

  #onCreated(response: WatchResponse): void {
    const watch = this.#creating.shift();
    if (watch === undefined) return;
    const isWanted = this.#watches.get(watch.id) === watch;
    if (!isWanted) {
      if (!response.isCanceled) this.#sendCancel(watch.id);
    } else if (response.isCanceled) {
      this.#remove(watch);
      watch.owner.onCanceled(response);
    } else {
      watch.createdRevision = response.revision;
      watch.owner.onCreated(response);
    }
  }

  #onProgress(response: WatchResponse): void {
    this.#progress.onResponse();
    for (const watch of this.#watches.values()) {
      if (watch.isCoveredBy(response.revision)) watch.owner.onProgress(response);
    }
  }

  #remove(watch: StreamWatch): void {
    this.#watches.delete(watch.id);
    if (this.#watches.size === 0) this.#hooks.onUnused();
  }

  #sendCancel(id: number): void {
    const cancel = new Writer().varint(1, id).finish();
    this.#send(builtMessage(new Writer().message(2, cancel).finish()));
  }

  #send(request: Message<'tenant'>): void {
    if (this.#isEnded) return;
    if (this.#isPaused || this.#requests === endedCall) this.#waiting.push(request);
    else this.#requests.send(request);
  }

  #sendWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const request of waiting) this.#send(request);
  }
}

class StreamWatch implements UpstreamWatch {
  readonly id: number;
  readonly owner: UpstreamWatchOwner;
  readonly #stream: UpstreamStream;
  /** The revision of etcd when it began the watch. Infinite before. */
  createdRevision = Number.POSITIVE_INFINITY;
  /** Progress responses that may still arrive and that etcd has sent without regard to this watch. */
  #uncovered: number;
  #isClosed = false;

  constructor(stream: UpstreamStream, id: number, owner: UpstreamWatchOwner, uncovered: number) {
    this.#stream = stream;
    this.id = id;
    this.owner = owner;
    this.#uncovered = uncovered;
  }

  /** Whether a progress response with this revision says that everything up to it was delivered to this watch. */
  isCoveredBy(revision: number): boolean {
    if (revision > this.createdRevision) this.#uncovered = 0;
    const isCovered = this.#uncovered === 0 && this.createdRevision < Number.POSITIVE_INFINITY;
    if (this.#uncovered > 0) this.#uncovered -= 1;
    return isCovered;
  }

  requestProgress(): void {
    if (!this.#isClosed) this.#stream.requestProgress();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.cancelWatch(this);
  }
}

/** Fragments bound the size of a message; progress notifications keep the position of an idle watch current. */
function createRequest(
  { range, startRevision, prevKv }: UpstreamWatchSpec,
  id: number,
): Message<'tenant'> {
  const create = new Writer()
    .bytes(1, range.key)
    .bytes(2, range.end)
    .varint(3, startRevision)
    .bool(4, true)
    .bool(6, prevKv)
    .varint(7, id)
    .bool(8, true)
    .finish();
  return builtMessage(new Writer().message(1, create).finish());
}
