/** How a tenant sees a range: the request that etcd itself takes for it, and the bytes that a client must get for its response. */
import { keySpace } from '../../src/etcd/key-space.ts';
import { visibleId } from '../../src/etcd/lease-id.ts';
import { decodePresent, encodeResponse } from '../support/codec.ts';
import type { Header, KeyValue, RangeRequest, RangeResponse } from '../support/messages.ts';

const method = 'etcdserverpb.KV/Range';

/** As decoded: what a message does not have is absent. */
export interface PresentRange extends Partial<Omit<RangeResponse, 'header'>> {
  readonly header: Partial<Header>;
}

export class TenantView {
  readonly #space: ReturnType<typeof keySpace>;
  readonly #prefix: Buffer;

  constructor(namespace: string) {
    this.#prefix = Buffer.from(namespace);
    this.#space = keySpace(this.#prefix);
  }

  /** The same range in stored keys. A range end that is present and empty has another meaning to etcd. */
  stored({ key, range_end, ...options }: RangeRequest): RangeRequest {
    const stored = { ...options, key: this.#prefixed(key) };
    return range_end === undefined ? stored : { ...stored, range_end: this.#storedEnd(range_end) };
  }

  /** The visible bytes of a response of etcd, with another header. */
  visible(response: PresentRange, header: Partial<Header>): Buffer {
    const kvs = (response.kvs ?? []).map((kv) => this.#visibleKeyValue(kv));
    return Buffer.from(encodeResponse(method, { ...response, header, kvs }));
  }

  /** A lease of others is 0, which is encoded. */
  #visibleKeyValue(kv: KeyValue): object {
    const { lease, key, ...others } = kv;
    const visible =
      lease === undefined ? null : (visibleId(this.#space.leases, BigInt(lease)) ?? 0);
    const visibleLease = visible === null ? {} : { lease: String(visible) };
    return { ...others, ...visibleLease, key: this.#unprefixed(key) };
  }

  /** A key outside of the namespace stays as it is, which is then a difference. */
  #unprefixed(key: Buffer): Buffer {
    const { length } = this.#prefix;
    return key.subarray(0, length).equals(this.#prefix) ? key.subarray(length) : key;
  }

  #storedEnd(end: Uint8Array): Uint8Array {
    const isOpen = end.length === 1 && end[0] === 0;
    return isOpen ? this.#space.prefixEnd : this.#prefixed(end);
  }

  #prefixed(key: Uint8Array | undefined): Buffer {
    return Buffer.concat([this.#prefix, key ?? new Uint8Array(0)]);
  }
}

export function decodeRange(response: Uint8Array): PresentRange {
  return decodePresent(method, response) as PresentRange;
}
