/**
 * What counts as one client address for fairness: an IPv4 address, or the /64 network of an IPv6 address, because a client
 * usually has all addresses of such a network. All clients of a Unix socket have the same one.
 */
import { isIPv6 } from 'node:net';
import { hostName } from './host-port.ts';

/** The part of a client's connection that matters here, as in `Peer`. */
interface Remote {
  readonly listener: string;
  readonly remote: string;
}

export function clientAddress({ listener, remote }: Remote): string {
  if (remote === '') return listener;
  const host = hostName(remote);
  // An IPv4 client of a listener on `::`.
  if (host.startsWith('::ffff:') && host.includes('.')) return host.slice('::ffff:'.length);
  return isIPv6(host) ? networkOf(host) : host;
}

/** The first four groups. */
function networkOf(address: string): string {
  const [withoutZone = ''] = address.split('%', 1);
  const [head = '', tail] = withoutZone.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
