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
import { grantOnce, timeToLive } from './lease-call.ts';
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
    let granted = 0;
    await this.#forEach(async (lease) => {
      if ((await this.#grantOne(etcd, keeper, lease)) === 'granted') granted += 1;
    });
    return granted;
  }

  /** Rejects if a lease has ended since it was granted or found: etcd has deleted its keys. */
  requireAlive(etcd: EtcdClient): Promise<void> {
    return this.#forEach(async ({ id }) => {
      const target = this.leaseOf(BigInt(id)) as bigint;
      if ((await timeToLive(etcd, target)).remainingSeconds >= 0) return;
      throw new Error(
        `lease ${id}, granted as ${target}, has ended during the import, and its keys are deleted. Repeat the import`,
      );
    });
  }

  /** For the leases that had not expired, some at a time. */
  async #forEach(action: (lease: ExportedLease) => Promise<void>): Promise<void> {
    const alive = [...this.#leases.values()].filter(
      ({ remainingSeconds }) => remainingSeconds >= 0,
    );
    for (let at = 0; at < alive.length; at += callsMax) {
      await Promise.all(alive.slice(at, at + callsMax).map(action));
    }
  }

  async #grantOne(
    etcd: EtcdClient,
    keeper: LeaseKeeper,
    { id, grantedSeconds }: ExportedLease,
  ): Promise<'granted' | 'present'> {
    const target = this.leaseOf(BigInt(id)) as bigint;
    try {
      const outcome = await grantOnce(etcd, target, grantedSeconds);
      keeper.keep(target, grantedSeconds, outcome);
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
