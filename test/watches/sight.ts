/**
 * How a tenant sees the store: which stored keys are its own, how they and their leases look to it, and one event as a line
 * of text, so that two observers of the same event have equal lines.
 */
import { crc32 } from 'node:zlib';
import { keySpace } from '../../src/etcd/key-space.ts';
import { visibleId } from '../../src/etcd/lease-id.ts';
import type { LeaseSeal } from '../../src/rewrite/lease-seal.ts';
import type { Event, KeyValue } from '../support/messages.ts';

const shortBytesMax = 48;

/** One event as a watcher sees it. */
export interface Seen {
  readonly revision: number;
  /** Visible, one character per byte. */
  readonly key: string;
  readonly isDelete: boolean;
  readonly line: string;
  /** The key before the event, '' if there was none or if the watch does not report it. */
  readonly previous: string;
}

function valueText(value: Buffer): string {
  return value.length > shortBytesMax
    ? `${value.length} bytes ${crc32(value)}`
    : value.toString('latin1');
}

function kvLine(kv: KeyValue, key: string, lease: string): string {
  const { create_revision, mod_revision, version, value } = kv;
  return `${mod_revision} ${JSON.stringify(key)} ${create_revision} ${version} ${lease} ${valueText(value)}`;
}

export class Sight {
  readonly #prefix: string;
  readonly #leases: LeaseSeal;

  /** `namespace` is the tenant's. */
  constructor(namespace: string) {
    this.#prefix = namespace;
    this.#leases = keySpace(Buffer.from(namespace)).leases;
  }

  /** An event as etcd itself reports it. Null if the key is not the tenant's. */
  fromStore({ type, kv, prev_kv }: Event): Seen | null {
    const key = kv.key.toString('latin1');
    if (!key.startsWith(this.#prefix)) return null;
    const visible = key.slice(this.#prefix.length);
    return {
      revision: Number(kv.mod_revision),
      key: visible,
      isDelete: type === 'DELETE',
      line: `${type} ${kvLine(kv, visible, this.#visibleLease(kv.lease))}`,
      previous: prev_kv === null ? '' : kvLine(prev_kv, visible, this.#visibleLease(prev_kv.lease)),
    };
  }

  /** A lease of another tag is shown as none. */
  #visibleLease(stored: string): string {
    return String(visibleId(this.#leases, BigInt(stored)) ?? 0);
  }
}

/** An event as the proxy delivers it. */
export function asDelivered({ type, kv, prev_kv }: Event): Seen {
  const key = kv.key.toString('latin1');
  const before = prev_kv?.key.toString('latin1') ?? '';
  return {
    revision: Number(kv.mod_revision),
    key,
    isDelete: type === 'DELETE',
    line: `${type} ${kvLine(kv, key, kv.lease)}`,
    previous: prev_kv === null ? '' : kvLine(prev_kv, before, prev_kv.lease),
  };
}
