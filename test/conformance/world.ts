/**
 * What every case of the suite works with: one target per file, a client on it, and keys that no other case uses. The
 * few cases that read the whole key space empty it first. The cases of one file run one after another.
 */
import { afterAll, beforeAll, expect } from 'vitest';
import { type CallOptions, type GrpcClient, grpcClient, refusal } from '../support/client.ts';
import type { EtcdOptions } from '../support/etcd.ts';
import type {
  Bytes,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Header,
  Int64,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from '../support/messages.ts';
import type { Stream } from '../support/stream.ts';
import type { Target, TargetKind } from '../support/target.ts';
import type { EtcdError } from './etcd-errors.ts';

export type WatchStream = Stream<WatchRequest, WatchResponse>;

/** One byte per character, so that '\0' and '\xff' are what they look like. */
export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

export const zero = bytes('\0');

/** Names keys under a prefix of its own, and the range that holds them all. */
export interface Keys {
  (name: string): Buffer;
  readonly all: { readonly key: Buffer; readonly range_end: Buffer };
}

/** The revision of a response as a number: tests stay far below 2^53. */
export function revision(answer: { readonly header: Header | null }): number {
  if (answer.header === null) throw new Error('the response has no header');
  return Number(answer.header.revision);
}

/** The keys of a response as text, without the part that is the same for all keys of a case. */
export function names(kvs: readonly { readonly key: Buffer }[]): string[] {
  return kvs.map(({ key }) => {
    const text = key.toString('latin1');
    return text.slice(text.indexOf('/') + 1);
  });
}

export class World {
  #target: Target | null = null;
  #client: GrpcClient | null = null;
  #cases = 0;
  #leases = 0;

  async open(kind: TargetKind, options: EtcdOptions): Promise<void> {
    this.#target = await kind.start(options);
    this.#client = grpcClient(this.#target.address);
  }

  /** Whatever the cases did: no key is outside of the namespace of the target. */
  async expectNothingOutside(): Promise<void> {
    const { namespace } = this.target;
    using direct = this.directClient();
    const { kvs } = await direct.call('etcdserverpb.KV/Range', {
      key: zero,
      range_end: zero,
      keys_only: true,
    });
    const outside = kvs.filter(({ key }) => !key.subarray(0, namespace.length).equals(namespace));
    expect(outside).toEqual([]);
  }

  async close(): Promise<void> {
    this.#client?.[Symbol.dispose]();
    await this.#target?.[Symbol.asyncDispose]();
  }

  get target(): Target {
    if (this.#target === null) throw new Error('the target has not been started');
    return this.#target;
  }

  get client(): GrpcClient {
    if (this.#client === null) throw new Error('the target has not been started');
    return this.#client;
  }

  /** A client of the etcd at the bottom, to look past the target. */
  directClient(): GrpcClient {
    return grpcClient(this.target.etcd.address);
  }

  keys(): Keys {
    this.#cases += 1;
    const prefix = `case-${this.#cases}`;
    // '0' follows '/'.
    const all = { key: bytes(`${prefix}/`), range_end: bytes(`${prefix}0`) };
    return Object.assign((name: string) => bytes(`${prefix}/${name}`), { all });
  }

  /** A lease ID that no other case of the file uses. */
  leaseId(): number {
    this.#leases += 1;
    return 7000 + this.#leases;
  }

  range(request: RangeRequest, options?: CallOptions): Promise<RangeResponse> {
    return this.client.call('etcdserverpb.KV/Range', request, options);
  }

  put(
    key: Bytes,
    value: string | Bytes = 'v',
    rest: Omit<PutRequest, 'key' | 'value'> = {},
  ): Promise<PutResponse> {
    const content = typeof value === 'string' ? bytes(value) : value;
    return this.client.call('etcdserverpb.KV/Put', { ...rest, key, value: content });
  }

  /** Puts the names one after another, each with itself as value; resolves with their revisions. */
  async fill(k: Keys, ...keyNames: readonly string[]): Promise<number[]> {
    const revisions: number[] = [];
    for (const name of keyNames) revisions.push(revision(await this.put(k(name), name)));
    return revisions;
  }

  remove(request: DeleteRangeRequest): Promise<DeleteRangeResponse> {
    return this.client.call('etcdserverpb.KV/DeleteRange', request);
  }

  /** Deletes every key that this client can see. */
  async empty(): Promise<void> {
    await this.remove({ key: zero, range_end: zero });
  }

  txn(request: TxnRequest): Promise<TxnResponse> {
    return this.client.call('etcdserverpb.KV/Txn', request);
  }

  /** The value under the key as text, or undefined when there is no such key. */
  async value(key: Bytes): Promise<string | undefined> {
    const { kvs } = await this.range({ key });
    return kvs[0]?.value.toString('latin1');
  }

  /** The store's revision now. */
  async now(): Promise<number> {
    return revision(await this.range({ key: bytes('now') }));
  }

  async grant(ttl: Int64, id: Int64 = this.leaseId()): Promise<string> {
    const granted = await this.client.call('etcdserverpb.Lease/LeaseGrant', { TTL: ttl, ID: id });
    return granted.ID;
  }

  watch(options?: CallOptions): WatchStream {
    return this.client.stream('etcdserverpb.Watch/Watch', options);
  }
}

/** Starts the target before the cases of the calling suite and ends it after them. */
export function useWorld(kind: TargetKind, options: EtcdOptions = {}): World {
  const world = new World();
  beforeAll(() => world.open(kind, options));
  afterAll(async () => {
    try {
      await world.expectNothingOutside();
    } finally {
      await world.close();
    }
  });
  return world;
}

/** Expects the call to be refused with exactly that code and text. */
export async function expectRefusal(call: Promise<unknown>, error: EtcdError): Promise<void> {
  const { code, details } = await refusal(call);
  expect({ code, details }).toEqual(error);
}

/** Creates a watcher and waits until it is there. */
export async function createWatcher(
  stream: WatchStream,
  request: WatchCreateRequest,
): Promise<WatchResponse> {
  stream.send({ create_request: request });
  const created = await stream.next();
  expect(created).toMatchObject({ created: true, canceled: false, events: [] });
  return created;
}

/** `PUT name=value` or `DELETE name`, to compare what a watcher has received. */
export function told(response: WatchResponse): string[] {
  return response.events.map(({ type, kv }) => {
    const [name = ''] = names([kv]);
    return type === 'PUT' ? `PUT ${name}=${kv.value.toString('latin1')}` : `DELETE ${name}`;
  });
}

/** The next `count` events of the stream, from as many responses as it takes. */
export async function nextEvents(stream: WatchStream, count: number): Promise<string[]> {
  const events: string[] = [];
  while (events.length < count) events.push(...told(await stream.next()));
  return events;
}
