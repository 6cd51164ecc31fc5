/**
 * The model of etcd's store: revisions with the events of their transaction, compactions, and the log in which members apply
 * them. Keys are visible ones, and each event belongs to one tenant.
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
  readonly #events = new Map<string, StoreEvent[]>();
  readonly #current = new Map<string, StoreEvent>();

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
        value: isDelete ? '' : `${tenant}:${revision}.${events.length}${'.'.repeat(padding)}`,
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

  /** All events of a tenant, oldest first. */
  eventsOf(tenant: string): StoreEvent[] {
    let events = this.#events.get(tenant);
    if (events === undefined) {
      events = [];
      this.#events.set(tenant, events);
    }
    return events;
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

function keyValue({ key, createRevision, revision, version, value }: StoreEvent): Uint8Array {
  return new Writer()
    .string(1, key)
    .varint(2, createRevision)
    .varint(3, revision)
    .varint(4, version)
    .string(5, value)
    .finish();
}
