/** The proxy as the only member of the cluster that tenants see. */
import { createHash } from 'node:crypto';
import type { ProxyMember } from '../namespace/cluster/proxy-member.ts';
import type { Listeners } from './listeners.ts';

/**
 * The member ID is a hash of the advertised URLs, so it survives restarts. Without advertised URLs the client URL is the
 * address of the listener that the call arrived at. `listeners` is called per call.
 */
export function proxyMember(
  advertisedUrls: readonly string[],
  listeners: () => Listeners,
): ProxyMember {
  return {
    name: 'etcd-bulkhead',
    memberId: createHash('sha256').update(advertisedUrls.join()).digest().readBigUInt64BE(0) | 1n,
    clientUrls: ({ peer: { listener } }) =>
      advertisedUrls.length > 0 ? advertisedUrls : [urlOf(listeners(), listener)],
  };
}

function urlOf(listeners: Listeners, name: string): string {
  const address = listeners.addressOf(name) ?? '';
  if (address.startsWith('/')) return `unix://${address}`;
  return `${listeners.isSecure(name) ? 'https' : 'http'}://${address}`;
}
