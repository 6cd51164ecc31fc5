/** LeaseTimeToLive and LeaseGrant as these commands use them, and the names of leases in a namespace. */
import type { KeySpace } from '../../etcd/key-space.ts';
import { visibleId } from '../../etcd/lease-id.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import { CallFailure } from './call-failure.ts';
import type { EtcdClient } from './etcd-client.ts';

export interface TimeToLive {
  /** -1 if the lease does not exist. */
  readonly remainingSeconds: number;
  readonly grantedSeconds: number;
}

export async function timeToLive(etcd: EtcdClient, id: bigint): Promise<TimeToLive> {
  const request = new Writer().varint(1, id).finish();
  const reader = new Reader(await etcd.call('etcdserverpb.Lease/LeaseTimeToLive', request));
  let remainingSeconds = 0;
  let grantedSeconds = 0;
  while (reader.next()) {
    if (reader.field === 3) remainingSeconds = reader.number();
    else if (reader.field === 4) grantedSeconds = reader.number();
  }
  if (reader.malformed) throw new Error('the response of etcd is malformed');
  return { remainingSeconds: Math.max(-1, remainingSeconds), grantedSeconds };
}

/**
 * Grants a lease with this ID. If it exists with the same TTL, a former attempt has granted it, and it is used. Throws if it
 * exists with another TTL: then it belongs to something else.
 */
export async function grantOnce(
  etcd: EtcdClient,
  id: bigint,
  grantedSeconds: number,
): Promise<'granted' | 'present'> {
  const request = new Writer().varint(1, grantedSeconds).varint(2, id).finish();
  try {
    await etcd.call('etcdserverpb.Lease/LeaseGrant', request);
    return 'granted';
  } catch (error) {
    if (!(error instanceof CallFailure) || !error.isLeaseExists) throw error;
    const present = await timeToLive(etcd, id);
    // It has ended meanwhile.
    if (present.remainingSeconds < 0) return grantOnce(etcd, id, grantedSeconds);
    if (present.grantedSeconds === grantedSeconds) return 'present';
    throw new Error(
      `lease ${id} exists at the destination with a TTL of ${present.grantedSeconds} s and not ${grantedSeconds} s`,
    );
  }
}

/** The ID that a tenant sees for a stored one. Null if the ID does not belong to the namespace. */
export function visibleLease({ prefix, leases }: KeySpace, id: bigint): number | null {
  if (prefix.length === 0) return id > 0n && id <= 0x7fff_ffffn ? Number(id) : null;
  const visible = visibleId(leases, id);
  return visible === 0 ? null : visible;
}
