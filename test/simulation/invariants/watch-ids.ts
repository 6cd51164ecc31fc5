/**
 * Watch IDs are allocated and rejected as etcd does it, and responses to creates and cancels are in the order of the requests.
 * A create with a negative revision may cost the proxy an ID, so what follows one is not checked here.
 */
import type { ObservedResponse, ObservedStream, ObservedWatch } from '../observation.ts';
import { isEmpty } from '../store.ts';
import type { History, Invariant, Report } from './invariant.ts';

const duplicate = 'mvcc: duplicate watch ID provided on the WatchStream';
const empty = 'mvcc: watcher range is empty';
const negative = 'etcdserver: mvcc: required revision has been compacted';

export const watchIds: Invariant = {
  name: 'watch IDs',
  check: (history, report) => {
    for (const stream of history.streams) {
      new Replay(stream, history, (what) => report(`${stream.name}: ${what}`)).run();
    }
  },
};

class Replay {
  readonly #stream: ObservedStream;
  readonly #history: History;
  readonly #report: Report;
  readonly #held = new Set<number>();
  #next = 0;
  #isLoose = false;
  #newestIndex = -1;

  constructor(stream: ObservedStream, history: History, report: Report) {
    this.#stream = stream;
    this.#history = history;
    this.#report = report;
  }

  run(): void {
    const { requests, watches, responses } = this.#stream;
    const cancels = responses.filter(
      ({ isCanceled, isCreated, compactRevision }) =>
        isCanceled && !isCreated && compactRevision === 0,
    );
    let creates = 0;
    let cancelled = 0;
    for (const { kind, watchId } of requests) {
      if (kind === 'create') {
        this.#create(watches[creates++] as ObservedWatch);
        if (this.#isLoose) return;
      } else if (kind === 'cancel' && this.#held.has(watchId)) {
        this.#held.delete(watchId);
        const response = cancels[cancelled++];
        if (response === undefined) {
          if (this.#stream.isOpen) this.#report(`no response to the cancel of ${watchId}`);
          return;
        }
        this.#inOrder(response);
        if (response.watchId !== watchId) {
          this.#report(`${response.watchId} is cancelled, not ${watchId}`);
          return;
        }
      }
    }
    if (cancelled < cancels.length) this.#report('cancelled without a request');
  }

  #create({ create, created }: ObservedWatch): void {
    const { watchId, startRevision } = create;
    const hasNoKeys = isEmpty(create);
    const isNegative = startRevision < 0;
    if (isNegative) this.#isLoose = true;
    const reasons: string[] = [];
    if (hasNoKeys) reasons.push(empty);
    if (isNegative && !hasNoKeys) reasons.push(negative);
    if (watchId !== 0 && this.#held.has(watchId) && !hasNoKeys) reasons.push(duplicate);
    const mayAccept = reasons.length === 0 || (isNegative && this.#history.acceptsNegative);
    const id = this.#take(watchId, reasons.length > 0);
    if (created === null) return;
    this.#inOrder(created);
    if (created.isCanceled) {
      const isKnown = reasons.includes(created.reason) && created.watchId === -1;
      if (!isKnown) {
        this.#report(`a create is rejected: ${created.watchId} "${created.reason}"`);
      }
      return;
    }
    // The proxy itself responds to a create that the client has cancelled already.
    const isCancelled = isNegative && this.#isCancelled(created.watchId);
    if (!(mayAccept || isCancelled)) this.#report(`a create is not rejected: ${reasons[0]}`);
    if (watchId !== 0 && created.watchId !== watchId)
      this.#report(`${created.watchId} for ${watchId}`);
    if (!isNegative && created.watchId !== id) {
      this.#report(`the ID ${created.watchId} was allocated, not ${id}`);
    }
  }

  #isCancelled(id: number): boolean {
    return this.#stream.requests.some(({ kind, watchId }) => kind === 'cancel' && watchId === id);
  }

  #take(watchId: number, isRejected: boolean): number {
    if (isRejected) return -1;
    let id = watchId;
    if (watchId === 0) {
      while (this.#held.has(this.#next)) this.#next += 1;
      id = this.#next;
      this.#next += 1;
    }
    this.#held.add(id);
    return id;
  }

  #inOrder({ index }: ObservedResponse): void {
    if (index < this.#newestIndex) this.#report('responses are not in the order of the requests');
    this.#newestIndex = index;
  }
}
