/** The proxy as the only member of the cluster that tenants see. */
import type { Call } from '../call/call.ts';
import type { ProxyMember } from '../namespace/cluster/proxy-member.ts';
import { memberIdFor, type RegisteredProxy } from '../upstream/registry-entry.ts';
import { clientAuthority } from './client-authority.ts';
import type { Listeners } from './listeners.ts';

/**
 * The member ID is a hash of the advertised URLs, so it survives restarts. Without advertised URLs the client URL is the
 * address by which this client has reached the proxy. `listeners` is called per call.
 */
export function proxyMember(
  advertisedUrls: readonly string[],
  listeners: () => Listeners,
  registered: () => readonly RegisteredProxy[],
): ProxyMember {
  const memberId = memberIdFor(advertisedUrls.join());
  return {
    name: 'etcd-bulkhead',
    memberId,
    registered: () =>
      registered().map(({ name, address }) => ({
        name,
        memberId: advertisedUrls.includes(address) ? memberId : memberIdFor(address),
        clientUrls: [address],
      })),
    clientUrls: (call) =>
      advertisedUrls.length > 0 ? advertisedUrls : [urlFor(call, listeners())],
  };
}

function urlFor(call: Call, listeners: Listeners): string {
  const { listener, place } = call.peer;
  const address = listeners.addressOf(listener) ?? '';
  if (address.startsWith('/')) return `unix://${address}`;
  const scheme = listeners.isSecure(listener) ? 'https' : 'http';
  return `${scheme}://${clientAuthority(call.authority, place?.local ?? '') ?? address}`;
}
