/**
 * The model of etcd's store: revisions with the events of their transaction, compactions, and the log in which members apply
 * them. Keys are visible ones, and each event belongs to one tenant. A store may be restored from an older state.
 */
import { Writer } from '../../src/protobuf/writer.ts';

/** One change of one key. Its value is unique in the whole store and begins with the tenant's name. */
export interface StoreEvent {
  readonly tenant: string;
  readonly key: string;
  readonly revision: number;
  /** Position in the transaction. */
  readonly index: number;
  readonly isDelete: boolean;
  readonly value: string;
  readonly createRevision: number;
  readonly version: number;
  /** The previous version of the key, null if it did not exist. */
  readonly previous: StoreEvent | null;
  /** The `events` field of a WatchResponse, with its tag: without and with the previous version. Encoded when needed. */
  encoded: Uint8Array | null;
  encodedWithPrevious: Uint8Array | null;
}

export type LogEntry =
  | { readonly kind: 'txn'; readonly revision: number; readonly events: readonly StoreEvent[] }
  | { readonly kind: 'compact'; readonly revision: number };

export interface Operation {
  readonly key: string;
  readonly isDelete: boolean;
  /** Bytes that are added to the value. */
  readonly padding: number;
}

/** A key range as in etcd's API. */
export interface Range {
  readonly key: string;
  readonly end: string;
}

/** No key can be in the range. etcd rejects a watch of it. */
export function isEmpty({ key, end }: Range): boolean {
  return end !== '' && end !== '\0' && end <= key;
}

export function contains({ key, end }: Range, candidate: string): boolean {
  const first = key === '' ? '\0' : key;
  if (end === '') return candidate === first;
  return candidate >= first && (end === '\0' || candidate < end);
}

export class Store {
  readonly log: LogEntry[] = [];
  /** The newest committed revision. etcd begins at 1. */
  revision = 1;
  /** The newest committed compaction, -1 before the first. */
  compactRevision = -1;
  readonly compactions = new Set<number>();
  /** How often the store was restored from an older state. */
  epoch = 0;
  /** The events of each tenant, for each epoch. An epoch begins with the events that the restored state has. */
  readonly #epochs: Map<string, StoreEvent[]>[] = [new Map()];
  /** Where each epoch begins: the revision of the state that was restored. */
  readonly #restored: number[] = [1];
  /** The newest revisions of the epochs that have ended. */
  readonly #lost: number[] = [];
  #current = new Map<string, StoreEvent>();

  /** Commits a transaction, unless it changes nothing. Returns whether it did. */
  commit(tenant: string, operations: readonly Operation[]): boolean {
    const revision = this.revision + 1;
    const events: StoreEvent[] = [];
    for (const { key, isDelete, padding } of operations) {
      const path = `${tenant}/${key}`;
      const previous = this.#current.get(path) ?? null;
      if (isDelete && previous === null) continue;
      const event: StoreEvent = {
        tenant,
        key,
        revision,
        index: events.length,
        isDelete,
        value: isDelete ? '' : this.#value(tenant, revision, events.length, padding),
        createRevision: isDelete ? 0 : (previous?.createRevision ?? revision),
        version: isDelete ? 0 : (previous?.version ?? 0) + 1,
        previous,
        encoded: null,
        encodedWithPrevious: null,
      };
      if (isDelete) this.#current.delete(path);
      else this.#current.set(path, event);
      events.push(event);
    }
    if (events.length === 0) return false;
    this.revision = revision;
    this.eventsOf(tenant).push(...events);
    this.log.push({ kind: 'txn', revision, events });
    return true;
  }

  compact(revision: number): boolean {
    if (revision <= this.compactRevision || revision < 1 || revision > this.revision) return false;
    this.compactRevision = revision;
    this.compactions.add(revision);
    this.log.push({ kind: 'compact', revision });
    return true;
  }

  /**
   * Begins an epoch with the state of an older revision, as after `etcdutl snapshot restore`: what was committed later is lost,
   * and its revisions are used again. Returns false if nothing was committed later.
   */
  restore(revision: number): boolean {
    const kept = this.log.findIndex((entry) => entry.kind === 'txn' && entry.revision > revision);
    if (kept === -1) return false;
    this.log.length = kept;
    this.#lost.push(this.revision);
    this.revision = Math.max(1, revision);
    this.#restored.push(this.revision);
    const compaction = this.log.findLast(({ kind }) => kind === 'compact');
    this.compactRevision = compaction?.revision ?? -1;
    const past = this.#epochs[this.epoch] as Map<string, StoreEvent[]>;
    const restored = new Map<string, StoreEvent[]>();
    this.#current = new Map();
    for (const [tenant, events] of past) {
      const left = events.filter((event) => event.revision <= revision);
      restored.set(tenant, left);
      for (const event of left) {
        if (event.isDelete) this.#current.delete(`${tenant}/${event.key}`);
        else this.#current.set(`${tenant}/${event.key}`, event);
      }
    }
    this.#epochs.push(restored);
    this.epoch += 1;
    return true;
  }

  /** The revisions that were committed in an epoch, with the one that it began with. */
  revisionsOf(epoch: number): { readonly first: number; readonly last: number } {
    return { first: this.#restored[epoch] ?? 1, last: this.#lost[epoch] ?? this.revision };
  }

  /** All events of a tenant in an epoch, oldest first. */
  eventsOf(tenant: string, epoch: number = this.epoch): StoreEvent[] {
    const events = this.#epochs[epoch]?.get(tenant);
    if (events !== undefined) return events;
    const none: StoreEvent[] = [];
    this.#epochs[epoch]?.set(tenant, none);
    return none;
  }

  #value(tenant: string, revision: number, index: number, padding: number): string {
    const epoch = this.epoch === 0 ? '' : `~${this.epoch}`;
    return `${tenant}:${revision}.${index}${epoch}${'.'.repeat(padding)}`;
  }
}

/** The `events` field for one event. `withPrevious` if the previous version is asked for and not compacted. */
export function encodeEvent(event: StoreEvent, withPrevious: boolean): Uint8Array {
  const { previous } = event;
  if (previous === null || !withPrevious) {
    event.encoded ??= eventField(event, null);
    return event.encoded;
  }
  event.encodedWithPrevious ??= eventField(event, previous);
  return event.encodedWithPrevious;
}

function eventField(event: StoreEvent, previous: StoreEvent | null): Uint8Array {
  const writer = new Writer().bool(1, event.isDelete).message(2, keyValue(event));
  if (previous !== null) writer.message(3, keyValue(previous));
  return new Writer().message(11, writer.finish()).finish();
}

type KeyValueFields = Pick<StoreEvent, 'key' | 'createRevision' | 'revision' | 'version' | 'value'>;

/** The content of a KeyValue. */
export function keyValue({
  key,
  createRevision,
  revision,
  version,
  value,
}: KeyValueFields): Uint8Array {
  return new Writer()
    .string(1, key)
    .varint(2, createRevision)
    .varint(3, revision)
    .varint(4, version)
    .string(5, value)
    .finish();
}
