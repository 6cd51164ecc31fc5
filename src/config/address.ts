/**
 * Addresses as operators spell them: `host:port`, `[v6]:port`, `:port`, `unix:///path`, and for endpoints also with
 * `http://` or `https://` in front, as etcd's own tools take them. Reading and writing only; nothing is resolved here.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { SocketAddress } from '../grpc/transport.ts';

/** An address with the spelling it came in. */
export interface ParsedAddress {
  readonly text: string;
  readonly address: SocketAddress;
}

export interface ParsedEndpoint extends ParsedAddress {
  /** What the scheme says about TLS; null when there is none, and the other settings decide. */
  readonly secure: boolean | null;
}

/** Undefined when it is no address. An empty host listens on all interfaces. */
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

/** Undefined when it is no endpoint: like an address, but with a host and a port to connect to. */
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

/** `host:port` with brackets around IPv6, or `unix:///path`. */
export function formatAddress(address: SocketAddress): string {
  if ('path' in address) return `unix://${address.path}`;
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether whoever connects to `target` reaches the listener on this machine, as far as the spelling tells. */
export function reaches(target: SocketAddress, listener: SocketAddress): boolean {
  if ('path' in target || 'path' in listener) {
    return 'path' in target && 'path' in listener && target.path === listener.path;
  }
  if (target.port !== listener.port || target.port === 0) return false;
  if (target.host === listener.host) return true;
  if (!isLoopback(target.host)) return false;
  if (everywhere.has(listener.host)) return true;
  // `localhost` is 127.0.0.1 or ::1, whichever the resolver likes.
  return isLoopback(listener.host) && [target.host, listener.host].includes('localhost');
}

const everywhere: ReadonlySet<string> = new Set(['::', '0.0.0.0']);

/** Whether an address can only be reached from this machine. Names such as 127.example.org are none. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
