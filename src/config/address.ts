/**
 * Parses addresses: `host:port`, `[v6]:port`, `:port` and `unix:///path`. Endpoints may also begin with
 * `http://` or `https://`, as in etcd's own tools. Host names are not resolved here.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { SocketAddress } from '../grpc/transport.ts';

/** An address together with its configured text. */
export interface ParsedAddress {
  readonly text: string;
  readonly address: SocketAddress;
}

export interface ParsedEndpoint extends ParsedAddress {
  /** True for `https://`, false for `http://`. Null without a scheme: the other settings decide. */
  readonly secure: boolean | null;
}

/** Returns undefined if the text is not a valid address. An empty host means all interfaces. */
export function parseAddress(text: string): ParsedAddress | undefined {
  if (text.startsWith('unix://')) {
    const path = text.slice('unix://'.length);
    return path.startsWith('/') ? { text, address: { path } } : undefined;
  }
  const match = /^(?:\[([^\]]*)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, bracketed, plain, digits] = match;
  const port = Number(digits);
  if (port > 65_535 || (bracketed !== undefined && !isIPv6(bracketed))) return undefined;
  return { text, address: { host: bracketed ?? (plain || '::'), port } };
}

/** Returns undefined if the text is not a valid endpoint. Unlike a listener, it needs a host and a nonzero port. */
export function parseEndpoint(text: string): ParsedEndpoint | undefined {
  const scheme = /^(https?):\/\//.exec(text);
  const rest = scheme === null ? text : text.slice(scheme[0].length).replace(/\/$/, '');
  const parsed = parseAddress(rest);
  if (parsed === undefined) return undefined;
  if (!('path' in parsed.address) && (rest.startsWith(':') || parsed.address.port === 0)) {
    return undefined;
  }
  if ('path' in parsed.address && scheme !== null) return undefined;
  return { text, address: parsed.address, secure: scheme === null ? null : scheme[1] === 'https' };
}

/** Whether connecting to `target` on this machine reaches `listener`, based on the addresses alone. */
export function reaches(target: SocketAddress, listener: SocketAddress): boolean {
  if ('path' in target || 'path' in listener) {
    return 'path' in target && 'path' in listener && target.path === listener.path;
  }
  if (target.port !== listener.port || target.port === 0) return false;
  if (target.host === listener.host) return true;
  if (!isLoopback(target.host)) return false;
  if (everywhere.has(listener.host)) return true;
  // `localhost` resolves to 127.0.0.1 or ::1.
  return isLoopback(listener.host) && [target.host, listener.host].includes('localhost');
}

const everywhere: ReadonlySet<string> = new Set(['::', '0.0.0.0']);

/** Whether an address is reachable only from this machine. A name such as 127.example.org is not a loopback address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
