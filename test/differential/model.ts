/**
 * What one tenant should see: an etcd of one client, in memory, written for clarity only. It takes the revision of a
 * change from the real store and computes everything else itself.
 */
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from '../support/messages.ts';

/** A stored key, in the words of the API; all values as text, one character per byte. */
export interface Stored {
  readonly key: string;
  readonly value: string;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly lease: string;
}

export interface ModelEvent {
  readonly type: 'PUT' | 'DELETE';
  readonly key: string;
  readonly value: string;
  readonly mod_revision: string;
  readonly prev: Stored | null;
}

export interface Ranged {
  readonly kvs: readonly Stored[];
  readonly count: number;
  readonly more: boolean;
}

export type Outcome =
  | { readonly range: Ranged }
  | { readonly put: Stored | null }
  | { readonly deleted: readonly Stored[]; readonly count: number }
  | { readonly txn: boolean; readonly outcomes: readonly Outcome[] };

/** The branch that a transaction takes. */
interface Decided {
  readonly succeeded: boolean;
  readonly ops: readonly (RequestOp | Decided)[];
}

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1');

/** Bytewise, since every character is one byte. */
const inOrder = (a: Stored, b: Stored) => (a.key < b.key ? -1 : 1);

/** Whether the pair of `key` and `range_end` covers the key. */
export function covers(range: { key?: Uint8Array; range_end?: Uint8Array }, key: string): boolean {
  const from = text(range.key);
  const end = text(range.range_end);
  if (end === '') return key === from;
  return key >= from && (end === '\0' || key < end);
}

function contentOf(stored: Stored | undefined, { target }: Compare): string | number {
  switch (target) {
    case 'VALUE':
      return stored?.value ?? '';
    case 'CREATE':
      return Number(stored?.create_revision ?? 0);
    case 'MOD':
      return Number(stored?.mod_revision ?? 0);
    case 'LEASE':
      return Number(stored?.lease ?? 0);
    default:
      return Number(stored?.version ?? 0);
  }
}

function wanted(compare: Compare): string | number {
  const { target, value, create_revision, mod_revision, lease, version } = compare;
  if (target === 'VALUE') return text(value);
  const numbers = { CREATE: create_revision, MOD: mod_revision, LEASE: lease, VERSION: version };
  return Number(numbers[target ?? 'VERSION'] ?? 0);
}

function isMet(stored: Stored | undefined, compare: Compare): boolean {
  // A value can only be compared with a key that is there.
  if (stored === undefined && compare.target === 'VALUE') return false;
  const found = contentOf(stored, compare);
  const sought = wanted(compare);
  switch (compare.result) {
    case 'GREATER':
      return found > sought;
    case 'LESS':
      return found < sought;
    case 'NOT_EQUAL':
      return found !== sought;
    default:
      return found === sought;
  }
}

export class Model {
  readonly stored = new Map<string, Stored>();
  readonly leases = new Map<number, Set<string>>();
  /** All events, in the order in which a watcher of the whole namespace receives them. */
  readonly events: ModelEvent[] = [];
  /** What the tenant has compacted; reads and watches below it are refused. */
  floor = 0;

  /** Keys and values as they were at that revision, in order. */
  at(revision: number): Map<string, string> {
    const past = new Map<string, string>();
    for (const event of this.events) {
      if (Number(event.mod_revision) > revision) break;
      if (event.type === 'PUT') past.set(event.key, event.value);
      else past.delete(event.key);
    }
    return new Map([...past].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  range(request: RangeRequest): Ranged {
    const found = this.#covered(request).sort(inOrder);
    if (request.sort_order === 'DESCEND') found.reverse();
    const limit = Number(request.limit ?? 0);
    const kvs = limit > 0 ? found.slice(0, limit) : found;
    return {
      kvs: request.count_only
        ? []
        : kvs.map((kv) => (request.keys_only ? { ...kv, value: '' } : kv)),
      count: found.length,
      more: !request.count_only && kvs.length < found.length,
    };
  }

  put(request: PutRequest, revision: string): Outcome {
    const key = text(request.key);
    const before = this.stored.get(key);
    const lease = Number(request.lease ?? 0);
    const after: Stored = {
      key,
      value: text(request.value),
      create_revision: before?.create_revision ?? revision,
      mod_revision: revision,
      version: String(Number(before?.version ?? 0) + 1),
      lease: String(lease),
    };
    this.#detach(before);
    if (lease !== 0) this.leases.get(lease)?.add(key);
    this.stored.set(key, after);
    this.events.push({
      type: 'PUT',
      key,
      value: after.value,
      mod_revision: revision,
      prev: before ?? null,
    });
    return { put: request.prev_kv ? (before ?? null) : null };
  }

  remove(request: DeleteRangeRequest, revision: string): Outcome {
    const gone = this.#covered(request).sort(inOrder);
    for (const stored of gone) this.#forget(stored, revision);
    return { deleted: request.prev_kv ? gone : [], count: gone.length };
  }

  /** All compares, of nested transactions too, are decided before the first write, as etcd does. */
  txn(request: TxnRequest, revision: string): Outcome {
    return this.#take(this.#decide(request), revision);
  }

  #decide(request: TxnRequest): Decided {
    const succeeded = (request.compare ?? []).every((compare) => this.#holds(compare));
    const taken = (succeeded ? request.success : request.failure) ?? [];
    return {
      succeeded,
      ops: taken.map((op) => (op.request_txn ? this.#decide(op.request_txn) : op)),
    };
  }

  #holds(compare: Compare): boolean {
    const found = this.#covered(compare);
    // A range that covers nothing is compared as one key that is not there.
    return found.length === 0
      ? isMet(undefined, compare)
      : found.every((stored) => isMet(stored, compare));
  }

  #take({ succeeded, ops }: Decided, revision: string): Outcome {
    return { txn: succeeded, outcomes: ops.map((op) => this.#apply(op, revision)) };
  }

  #apply(op: RequestOp | Decided, revision: string): Outcome {
    if ('ops' in op) return this.#take(op, revision);
    if (op.request_range) return { range: this.range(op.request_range) };
    if (op.request_put) return this.put(op.request_put, revision);
    return this.remove(op.request_delete_range ?? {}, revision);
  }

  grant(id: number): void {
    this.leases.set(id, new Set());
  }

  revoke(id: number, revision: string): void {
    const attached = [...(this.leases.get(id) ?? [])].sort();
    this.leases.delete(id);
    for (const key of attached) {
      const stored = this.stored.get(key);
      if (stored !== undefined) this.#forget(stored, revision);
    }
  }

  #covered(range: { key?: Uint8Array; range_end?: Uint8Array }): Stored[] {
    return [...this.stored.values()].filter(({ key }) => covers(range, key));
  }

  #forget(stored: Stored, revision: string): void {
    this.stored.delete(stored.key);
    this.#detach(stored);
    this.events.push({
      type: 'DELETE',
      key: stored.key,
      value: '',
      mod_revision: revision,
      prev: stored,
    });
  }

  #detach(stored: Stored | undefined): void {
    if (stored !== undefined) this.leases.get(Number(stored.lease))?.delete(stored.key);
  }
}
