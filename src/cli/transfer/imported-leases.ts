/**
 * The leases of an import: which one each key gets at the destination. A lease keeps the ID that the application knows, so an
 * application that still renews its lease finds it again. The IDs are a function of the file and of the destination's namespace,
 * so a repeated import finds the leases that it has granted before.
 */
import { createHash } from 'node:crypto';
import type { KeySpace } from '../../etcd/key-space.ts';
import { CallFailure } from './call-failure.ts';
import type { EtcdClient } from './etcd-client.ts';
import type { ExportedLease } from './file/layout.ts';
import { grantOnce } from './lease-call.ts';
import type { LeaseKeeper } from './lease-keeper.ts';

const callsMax = 16;

export class ImportedLeases {
  readonly #leases: ReadonlyMap<bigint, ExportedLease>;
  readonly #space: KeySpace;
  readonly #source: Uint8Array;

  /** `source` is the namespace of the file, `space` the namespace of the destination. */
  constructor(leases: ReadonlyMap<bigint, ExportedLease>, source: Uint8Array, space: KeySpace) {
    this.#leases = leases;
    this.#source = source;
    this.#space = space;
  }

  /** The lease at the destination of a key with this lease in the file; null if that lease had expired. */
  leaseOf(id: bigint): bigint | null {
    if (id === 0n) return 0n;
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.remainingSeconds < 0) return null;
    const { prefix, leases } = this.#space;
    if (lease.visible !== null) {
      return prefix.length === 0 ? BigInt(lease.visible) : leases.stored(lease.visible);
    }
    const isSame = Buffer.compare(prefix, this.#source) === 0;
    return isSame ? id : derived(id, prefix);
  }

  /** Grants all leases, with the TTL that they had been granted with. Resolves with how many did not exist. */
  async grant(etcd: EtcdClient, keeper: LeaseKeeper): Promise<number> {
    const alive = [...this.#leases.values()].filter(
      ({ remainingSeconds }) => remainingSeconds >= 0,
    );
    let granted = 0;
    for (let at = 0; at < alive.length; at += callsMax) {
      const some = alive.slice(at, at + callsMax);
      const outcomes = await Promise.all(some.map((lease) => this.#grantOne(etcd, keeper, lease)));
      granted += outcomes.filter((outcome) => outcome === 'granted').length;
    }
    return granted;
  }

  async #grantOne(
    etcd: EtcdClient,
    keeper: LeaseKeeper,
    { id, grantedSeconds }: ExportedLease,
  ): Promise<'granted' | 'present'> {
    const target = this.leaseOf(BigInt(id)) as bigint;
    try {
      const outcome = await grantOnce(etcd, target, grantedSeconds);
      keeper.keep(target, grantedSeconds);
      return outcome;
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      throw new Error(`lease ${id} cannot be granted as ${target}: ${error.message}`);
    }
  }
}

/** An ID without a tenant would be shared with the namespace that it comes from, so another namespace gets another one. */
function derived(id: bigint, namespace: Uint8Array): bigint {
  const digest = createHash('sha256').update(`${id}/`).update(namespace).digest();
  const bits = digest.readBigUInt64BE() & 0x7fff_ffff_ffff_ffffn;
  return bits === 0n ? 1n : bits;
}
