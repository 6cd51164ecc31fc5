/**
 * The watch on the source's namespace. It queues complete revisions for the mirror, and applies backpressure while the queue is
 * long. It ends at the first failure; the mirror opens another one from its position.
 */
import { builtMessage, Call } from '../../../call/call.ts';
import type { KeyRange } from '../../../etcd/key-range.ts';
import { method } from '../../../etcd/methods.ts';
import type { RequestSink, ResponseSink } from '../../../grpc/call.ts';
import type { Metadata } from '../../../grpc/metadata.ts';
import { type Status, status } from '../../../grpc/status.ts';
import { Writer } from '../../../protobuf/writer.ts';
import { systemClock as clock } from '../../../runtime/clock.ts';
import { CallFailure } from '../call-failure.ts';
import { type EtcdClient, self } from '../etcd-client.ts';
import {
  RevisionAssembler,
  type RevisionChanges,
  readWatchResponse,
  type WatchResponse,
} from './watch-response.ts';

const queueBytesMax = 16 << 20;
const watchMethod = method('etcdserverpb.Watch/Watch');

/** Ends the watch of a member that is cut off from the cluster. It would stay open without changes. */
const requireLeader: Metadata = ['hasleader', 'true'];

/** The source has compacted revisions that the mirror needs. */
export class Compacted extends Error {
  override readonly name = 'Compacted';
}

export interface QueuedChanges extends RevisionChanges {
  readonly arrivedAtMs: number;
}

export class SourceWatch implements ResponseSink, Disposable {
  /** The newest revision of the source that is known. */
  sourceRevision = 0;
  /** Everything up to this revision was queued, or changes no key of the range. */
  completeRevision: number;
  isCreated = false;
  readonly #queue: QueuedChanges[] = [];
  readonly #assembler = new RevisionAssembler();
  readonly #clusterId: string;
  readonly #after: number;
  #requests: RequestSink | null = null;
  #queuedBytes = 0;
  #isPaused = false;
  #failure: Error | null = null;
  #onChange: (() => void) | null = null;

  /**
   * Opens it, for the changes after a revision. `clusterId`: of the cluster that the revision belongs to.
   *
   * The watch begins at the revision itself, whose changes are dropped. If the next revision was compacted, older releases of
   * etcd would start a watch there and leave out the deletions of it (etcd#18089).
   */
  constructor(etcd: EtcdClient, range: KeyRange, after: number, clusterId: string) {
    this.#clusterId = clusterId;
    this.#after = after;
    this.completeRevision = after;
    const deadlineMs = Number.POSITIVE_INFINITY;
    const call = new Call({ method: watchMethod, metadata: requireLeader, deadlineMs, peer: self });
    call.isMovable = true;
    const requests = etcd.upstream.stream(call, this) as RequestSink;
    if (this.#failure !== null) return;
    this.#requests = requests;
    const create = new Writer()
      .bytes(1, range.key)
      .bytes(2, range.end)
      .varint(3, after)
      .bool(4, true)
      .bool(8, true)
      .finish();
    requests.send(builtMessage<'store'>(new Writer().message(1, create).finish()));
  }

  /** Whether it has ended without reaching the source. */
  get isUnsent(): boolean {
    return this.#failure instanceof CallFailure && this.#failure.status.origin === 'unsent';
  }

  /** The next revision. Null if it has not arrived yet. Throws if the watch has ended and the queue is empty. */
  peek(): QueuedChanges | null {
    const [first] = this.#queue;
    if (first !== undefined) return first;
    if (this.#failure !== null) throw this.#failure;
    return null;
  }

  /** Removes the next revision. */
  shift(): void {
    const removed = this.#queue.shift();
    this.#queuedBytes -= removed?.bytes ?? 0;
    if (!this.#isPaused || this.#queuedBytes > queueBytesMax / 2) return;
    this.#isPaused = false;
    this.#requests?.resumeResponses();
  }

  /** Asks for the revision up to which everything was sent. It arrives only if the watch has caught up. */
  requestProgress(): void {
    const request = new Writer().message(3, new Uint8Array(0)).finish();
    if (this.isCreated) this.#requests?.send(builtMessage<'store'>(request));
  }

  /** Resolves at the next change of anything here, or after `withinMs`. At once if a revision is queued, or after the end. */
  changed(withinMs: number): Promise<void> {
    if (this.#failure !== null || this.#queue.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancelTimer();
        this.#onChange = null;
        resolve();
      };
      const cancelTimer = clock.after(withinMs, done);
      this.#onChange = done;
    });
  }

  [Symbol.dispose](): void {
    this.#requests?.cancel();
    this.#requests = null;
  }

  deliver(message: Uint8Array): void {
    try {
      this.#onResponse(readWatchResponse(message));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.deliver(Buffer.concat([head, tail]));
  }

  end(ended: Status): void {
    this.#requests = null;
    this.#fail(new CallFailure('Watch', ended));
  }

  // Requests are few and small.
  pauseRequests(): void {}

  resumeRequests(): void {}

  #onResponse(response: WatchResponse): void {
    const { header, isCreated, isCanceled, compactRevision, cancelReason, changes } = response;
    if (isCanceled && compactRevision > 0) {
      throw new Compacted(`the source has compacted its revisions up to ${compactRevision}`);
    }
    if (isCanceled) throw new CallFailure('Watch', status(2, cancelReason, 'peer'));
    if (header.clusterId !== this.#clusterId) {
      throw new Error(`the source is now cluster ${header.clusterId}`);
    }
    if (isCreated) this.isCreated = true;
    this.sourceRevision = Math.max(this.sourceRevision, header.revision);
    const arrivedAtMs = clock.nowMs();
    for (const revision of this.#assembler.add(response)) {
      if (revision.revision <= this.#after) continue;
      this.#queue.push({ ...revision, arrivedAtMs });
      this.#queuedBytes += revision.bytes;
      this.completeRevision = revision.isLast ? revision.revision : revision.revision - 1;
    }
    // Progress: only a response without anything else.
    if (changes.length === 0 && !isCreated) {
      this.completeRevision = Math.max(this.completeRevision, header.revision);
    }
    if (this.#queuedBytes > queueBytesMax && !this.#isPaused) {
      this.#isPaused = true;
      this.#requests?.pauseResponses();
    }
    this.#onChange?.();
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this[Symbol.dispose]();
    this.#onChange?.();
  }
}
