/**
 * One client stream with many watches. It assigns responses to watches as a client library does, and opens the stream again
 * when it is lost, every watch from its next revision on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GrpcClient } from '../support/client.ts';
import type {
  Event,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from '../support/messages.ts';
import type { Stream } from '../support/stream.ts';
import type { ObservedWatch } from './observed-watch.ts';
import type { Seen } from './sight.ts';
import type { WatchSpec } from './watch-spec.ts';

const endless = 2 ** 31 - 1;
const againInMs = 50;

export interface StreamOptions {
  readonly name: string;
  readonly requiresLeader: boolean;
  /** Whether a progress response covers everything before it, which etcd has done since 3.4.25 and 3.5.8. */
  readonly ordersProgress: boolean;
  /** Key and end as they are sent. */
  readonly range: (spec: WatchSpec) => Pick<WatchCreateRequest, 'key' | 'range_end'>;
  /** Events as the tenant sees them. */
  readonly seen: (events: readonly Event[]) => readonly Seen[];
  /** A revision that exists in the store. */
  readonly knownRevision: () => number;
}

export class ObservedStream implements AsyncDisposable {
  readonly options: StreamOptions;
  readonly watches: ObservedWatch[] = [];
  readonly problems: string[] = [];
  /** How each stream was lost. */
  readonly losses: string[] = [];
  progressResponses = 0;
  readonly #client: GrpcClient;
  #stream: Stream<WatchRequest, WatchResponse>;
  #creating: ObservedWatch[] = [];
  #byId = new Map<string, ObservedWatch>();
  /** The watch with an unfinished response. */
  #fragmented: string | null = null;
  /** A revision that existed when the oldest open progress request was sent. */
  #progressAfter: number | null = null;
  #isClosed = false;
  #isPaused = false;
  readonly #over: Promise<void>;

  constructor(client: GrpcClient, options: StreamOptions) {
    this.#client = client;
    this.options = options;
    this.#stream = this.#open();
    this.#over = this.#follow();
  }

  /** Ends it as a client does that loses interest. What has arrived is kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#stream.cancel();
    for (const watch of this.watches) {
      if (watch.state === 'open' || watch.state === 'creating') watch.state = 'closed';
    }
    await this.#over;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  add(watch: ObservedWatch): void {
    this.watches.push(watch);
    if (this.#isPaused) watch.wasPaused = true;
    this.#create(watch);
  }

  cancel(watch: ObservedWatch): void {
    for (const [id, each] of this.#byId) {
      if (each !== watch) continue;
      watch.onCancelSent();
      this.#stream.send({ cancel_request: { watch_id: id } });
    }
  }

  requestProgress(): void {
    this.#progressAfter ??= this.options.knownRevision();
    this.#stream.send({ progress_request: {} });
  }

  /** The client reads nothing for a while. */
  async pauseFor(forMs: number): Promise<void> {
    this.#isPaused = true;
    for (const watch of this.watches) watch.wasPaused = true;
    this.#stream.pause();
    await sleep(forMs);
    this.#isPaused = false;
    this.#stream.resume();
  }

  #open(): Stream<WatchRequest, WatchResponse> {
    const metadata = this.options.requiresLeader ? { hasleader: 'true' } : {};
    return this.#client.stream('etcdserverpb.Watch/Watch', { metadata });
  }

  #create(watch: ObservedWatch): void {
    const { spec } = watch;
    this.#creating.push(watch);
    this.#stream.send({
      create_request: {
        ...this.options.range(spec),
        start_revision: watch.startRevision(this.options.knownRevision()),
        filters: spec.filters,
        prev_kv: spec.prevKv,
        progress_notify: spec.progressNotify,
        fragment: spec.fragment,
      },
    });
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        for (;;) this.#onResponse(await this.#stream.next(endless));
      } catch (error) {
        if (this.#isClosed) return;
        this.losses.push((error as Error).message);
        await sleep(againInMs);
        this.#reopen();
      }
    }
  }

  #reopen(): void {
    if (this.#isClosed) return;
    this.#stream = this.#open();
    if (this.#isPaused) this.#stream.pause();
    this.#creating = [];
    this.#byId = new Map();
    this.#fragmented = null;
    this.#progressAfter = null;
    for (const watch of this.watches) {
      if (watch.state === 'compacted' || watch.state === 'closed') continue;
      watch.onLost();
      this.#create(watch);
    }
  }

  #onResponse(response: WatchResponse): void {
    if (this.#isClosed) return;
    const { watch_id, created, fragment } = response;
    if (this.#fragmented !== null && this.#fragmented !== watch_id) {
      this.#object(`a response of watch ${watch_id} between fragments of ${this.#fragmented}`);
    }
    this.#fragmented = fragment ? watch_id : null;
    if (created) {
      const watch = this.#creating.shift();
      if (watch === undefined) this.#object(`no create for ${JSON.stringify(response)}`);
      if (this.#byId.has(watch_id)) this.#object(`watch ID ${watch_id} is used twice`);
      if (watch !== undefined) this.#byId.set(watch_id, watch);
      watch?.onCreated(response);
      return;
    }
    if (watch_id === '-1') {
      this.#onProgress(Number(response.header?.revision));
      return;
    }
    const watch = this.#byId.get(watch_id);
    if (watch === undefined) this.#object(`no watch for ${JSON.stringify(response)}`);
    watch?.onResponse(response, this.options.seen(response.events));
  }

  #onProgress(revision: number): void {
    this.progressResponses += 1;
    const { ordersProgress } = this.options;
    if (!ordersProgress) return;
    if (revision < (this.#progressAfter ?? 0)) {
      this.#object(`progress ${revision}, but ${this.#progressAfter} was before the request`);
    }
    this.#progressAfter = null;
    for (const watch of this.#byId.values()) watch.onProgress(revision);
  }

  #object(what: string): void {
    if (this.problems.length < 5) this.problems.push(`${this.options.name}: ${what}`);
  }
}
