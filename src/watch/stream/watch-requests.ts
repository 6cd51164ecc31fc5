/**
 * A client's watch stream: whose watch IDs are in use, and which creates lie below what the tenant has compacted. Each
 * client stream has one stream to etcd. Creates go on with the ID that they will have, so that those the proxy answers
 * itself and those etcd answers share one space of IDs. Everything else, events above all, passes through unchanged.
 */
import { type Layer, type Message, type Requests, tenantOf } from '../../call/call.ts';
import { type RefusalName, refusal } from '../../call/refusals.ts';
import { method } from '../../etcd/methods.ts';
import type { CompactionFloor } from '../../tenant/tenant.ts';
import { Reader } from '../../protobuf/reader.ts';
import { varintField } from '../../protobuf/varint-field.ts';
import { WatchAnswers } from './watch-responses.ts';
import { type Watcher, WatchIds } from './watch-ids.ts';
import { type Create, cancelField, createField, readCreate, withWatchId } from './messages.ts';

const watch = method('etcdserverpb.Watch/Watch');

const duplicateId = 'mvcc: duplicate watch ID provided on the WatchStream';

/** At either limit a create is refused, and the stream lives on. etcd has none; these bound what one client can hold here. */
export interface WatchStreamLimits {
  /** Watch IDs in use on one stream. */
  readonly watchersMax: number;
  /** Creates of one stream whose answers are still due. */
  readonly createsPendingMax: number;
}

export const watchStreamLimits: WatchStreamLimits = {
  watchersMax: 100_000,
  createsPendingMax: 100_000,
};

/** Other methods pass through as if it were not there. */
export function watchStreams(limits: WatchStreamLimits): Layer<'store'> {
  return (next) => ({
    unary: (call, request, reply) => next.unary(call, request, reply),
    stream: (call, reply) => {
      if (call.method !== watch) return next.stream(call, reply);
      const { floor } = tenantOf(call);
      const ids = new WatchIds();
      const answers = new WatchAnswers(reply, ids, floor);
      return new WatchRequests(next.stream(call, answers), answers, ids, floor, limits);
    },
  });
}

type Fate = 'over limit' | 'duplicate' | 'refused by etcd' | 'compacted' | 'watching';

class WatchRequests implements Requests<'store'> {
  readonly #below: Requests<'store'>;
  readonly #answers: WatchAnswers;
  readonly #ids: WatchIds;
  readonly #floor: CompactionFloor;
  readonly #limits: WatchStreamLimits;

  constructor(
    below: Requests<'store'>,
    answers: WatchAnswers,
    ids: WatchIds,
    floor: CompactionFloor,
    limits: WatchStreamLimits,
  ) {
    this.#below = below;
    this.#answers = answers;
    this.#ids = ids;
    this.#floor = floor;
    this.#limits = limits;
  }

  /** Progress requests, and whatever etcd may think of later, go on as they are. */
  message(bytes: Message<'store'>): void {
    if (this.#answers.isOver) return;
    const reader = new Reader(bytes);
    while (reader.next()) {
      if (reader.field === createField || reader.field === cancelField) break;
    }
    if (reader.field === createField) this.#create(bytes, reader);
    else if (reader.field === cancelField) this.#cancel(bytes, reader);
    else this.#below.message(bytes);
  }

  end(): void {
    if (!this.#answers.isOver) this.#below.end();
  }

  cancel(): void {
    if (this.#answers.isOver) return;
    this.#answers.isOver = true;
    this.#below.cancel();
  }

  pause(): void {
    if (this.#answers.isOver) return;
    this.#answers.hold();
    this.#below.pause();
  }

  resume(): void {
    if (!this.#answers.isOver && this.#answers.release()) this.#below.resume();
  }

  #create(bytes: Message<'store'>, reader: Reader): void {
    const create = readCreate(reader.message());
    if (create === null || reader.malformed) {
      this.#refuseStream('malformed');
      return;
    }
    switch (this.#fateOf(create)) {
      case 'over limit':
        this.#answers.refuse();
        break;
      case 'duplicate':
        this.#answers.answer({ kind: 'refused', reason: duplicateId });
        break;
      case 'refused by etcd':
        this.#send(bytes, null);
        break;
      case 'compacted':
        this.#compacted(this.#ids.take(create.watchId, true).id);
        break;
      case 'watching': {
        const watcher = this.#ids.take(create.watchId, false);
        // 0 cannot be said on the wire. It is the first ID that etcd draws itself, and nobody else asks it to draw.
        const isSaid = create.watchId !== 0n || watcher.id === 0n;
        this.#send(isSaid ? bytes : withWatchId(bytes, reader, watcher.id), watcher);
      }
    }
  }

  /**
   * The checks come in etcd's order: the range, the ID, and only then the revision. What etcd is sure to refuse goes
   * there all the same, so that its answer is its own; an ID that only the proxy holds, etcd would accept.
   */
  #fateOf({ watchId, startRevision, isEmpty }: Create): Fate {
    const { watchersMax, createsPendingMax } = this.#limits;
    if (this.#answers.isOverLimit || this.#answers.awaited >= createsPendingMax) {
      return 'over limit';
    }
    if (isEmpty) return 'refused by etcd';
    const holder = watchId === 0n ? null : this.#ids.holder(watchId);
    if (holder !== null) return holder.isLocal ? 'duplicate' : 'refused by etcd';
    if (this.#ids.size >= watchersMax) return 'over limit';
    return startRevision > 0 && startRevision < this.#floor.revision ? 'compacted' : 'watching';
  }

  #compacted(id: bigint): void {
    this.#answers.answer({ kind: 'created', id });
    this.#answers.answer({ kind: 'compacted', id, revision: this.#floor.revision });
  }

  /** etcd does not answer the cancel of an ID that is not in use, so that one goes on as well. */
  #cancel(bytes: Message<'store'>, reader: Reader): void {
    const cancel = reader.bytes();
    const id = reader.malformed ? 'malformed' : varintField(cancel, 1);
    if (typeof id === 'string') {
      this.#refuseStream(id);
      return;
    }
    const holder = this.#ids.holder(id);
    this.#ids.release(id);
    if (holder?.isLocal) this.#answers.answer({ kind: 'canceled', id });
    else this.#below.message(bytes);
  }

  #send(bytes: Message<'store'>, watcher: Watcher | null): void {
    // Expected before it is sent: the answer may come before `message` returns.
    this.#answers.expect(watcher);
    this.#below.message(bytes);
  }

  #refuseStream(name: RefusalName): void {
    this.#below.cancel();
    this.#answers.end(refusal(name));
  }
}
