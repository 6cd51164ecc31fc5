/**
 * The address by which a client reaches the proxy, for MemberList: clients that sync their endpoints use nothing else from then on.
 * What the client has dialed (`:authority`) is the only address that is right behind a Service, a NAT or a port mapping, and the
 * only one that the certificate is valid for. It is input of the client, so it must have the form of an address, and only the
 * same client receives it. If it cannot be dialed, the local address of the connection takes its place.
 */
import { isIPv6 } from 'node:net';
import { parseAddress } from '../config/address.ts';

/** The longest host name of DNS and a port. */
const bytesMax = 253 + ':65535'.length;

/** `local` is `host:port`, or empty if it is not known. Returns null if neither can be dialed. */
export function clientAuthority(authority: string, local: string): string | null {
  return isDialable(authority) ? authority : dialableLocal(local);
}

/** Libraries send a name without a port if the name of the TLS server is overridden. It need not be a name in DNS. */
function isDialable(authority: string): boolean {
  if (authority.length > bytesMax || authority.includes('%')) return false;
  const parsed = parseAddress(authority);
  if (parsed === undefined || 'path' in parsed.address) return false;
  const { host, port } = parsed.address;
  return port > 0 && !authority.startsWith(':') && !isUnspecified(host);
}

/** Clients that dial 0.0.0.0 reach this machine only. */
function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || (isIPv6(host) && /^[0:]+(?:0\.0\.0\.0)?$/.test(host));
}

/** An IPv4 client of a socket on `[::]` has an IPv4 address. In a URL the zone of an address follows `%25`. */
function dialableLocal(local: string): string | null {
  if (local === '') return null;
  return local.replace(/^\[::ffff:(\d+\.\d+\.\d+\.\d+)\]/i, '$1').replace('%', '%25');
}
