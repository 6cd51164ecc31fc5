/**
 * A client that watches a range. It behaves as etcd's own: when its stream breaks it resumes at the revision after the last
 * one that it has seen. It keeps every event and judges none.
 */
import type { WatchResponse } from '../../support/messages.ts';
import { LoadClient, type LoadClientOptions } from './load-client.ts';

const endless = 2 ** 31 - 1;

export interface WatchedRange {
  /** The names of keys from `from` on, before `to`. */
  readonly from: string;
  readonly to: string;
}

export interface WatcherOptions extends LoadClientOptions {
  readonly range: WatchedRange;
  /** As `clientv3.WithRequireLeader`. */
  readonly requiresLeader: boolean;
  /** From the first revision on. Otherwise from now on. */
  readonly fromTheStart: boolean;
}

export interface Delivered {
  readonly revision: number;
  /** The whole event in one line. */
  readonly line: string;
  readonly value: string;
  readonly atMs: number;
}

export function eventLine(revision: number, type: string, name: string, value: string): string {
  return `${revision} ${type} ${name} ${value}`;
}

export class Watcher extends LoadClient {
  readonly range: WatchedRange;
  readonly delivered: Delivered[] = [];
  /** The first revision that it must report. 0 until the watch is created. */
  firstRevision: number;
  #cancel: () => void = () => {};
  /** 0 before the watch is created for the first time, unless it begins at the start. */
  #nextRevision: number;
  readonly #requiresLeader: boolean;
  readonly #created = Promise.withResolvers<void>();

  constructor(options: WatcherOptions) {
    super(options);
    this.range = options.range;
    this.#requiresLeader = options.requiresLeader;
    this.#nextRevision = options.fromTheStart ? 1 : 0;
    this.firstRevision = this.#nextRevision;
    this.onStop(() => this.#cancel());
    this.repeat(
      'watch',
      () => 0,
      () => this.#follow(),
    );
  }

  /** Resolves when the watch was created for the first time. */
  get created(): Promise<void> {
    return this.#created.promise;
  }

  /** Every event before this revision has arrived. */
  get nextRevision(): number {
    return this.#nextRevision;
  }

  /** Never resolves: ends with the error that the stream ended with. */
  async #follow(): Promise<void> {
    const metadata: Record<string, string> = this.#requiresLeader ? { hasleader: 'true' } : {};
    using stream = this.grpc.stream('etcdserverpb.Watch/Watch', { metadata });
    this.#cancel = () => stream.cancel();
    stream.send({
      create_request: {
        key: this.key(this.range.from),
        range_end: this.key(this.range.to),
        start_revision: this.#nextRevision,
      },
    });
    for (;;) this.#onResponse(await stream.next(endless));
  }

  #onResponse(response: WatchResponse): void {
    if (response.canceled) {
      throw new Error(
        `cancelled, compacted ${response.compact_revision} ${response.cancel_reason}`,
      );
    }
    if (response.created) {
      this.#nextRevision ||= Number(response.header?.revision) + 1;
      this.firstRevision ||= this.#nextRevision;
      this.#created.resolve();
    }
    for (const { type, kv } of response.events) {
      const revision = Number(kv.mod_revision);
      const value = kv.value.toString();
      const line = eventLine(revision, type, this.nameOf(kv.key), value);
      this.delivered.push({ revision, line, value, atMs: performance.now() });
      this.#nextRevision = revision + 1;
    }
  }
}
