/**
 * Which HTTP requests the gateway serves at all, as etcd's access controller decides it (etcd server/embed/serve.go): by the
 * Host header, and by the Origin header that browsers send.
 */
import { isLoopback } from '../config/address.ts';
import { hostName } from '../grpc/host-port.ts';
import type { HttpExchange } from './exchange.ts';

export interface AccessRules {
  /** Host names of this server that clients may use, besides those of the loopback addresses. */
  readonly hostNames: readonly string[];
  /** Origins of pages that may use the gateway; `*` for all. */
  readonly origins: readonly string[];
}

/**
 * Prevents DNS rebinding (CVE-2018-5702): a page in a browser resolves a name of its own domain to 127.0.0.1 and reads the
 * responses of this server. Legitimate requests to a loopback address have a loopback name or a configured name in their
 * Host header. With TLS the certificate proves the name, so it is not checked, as in etcd.
 */
export function isOwnName(exchange: HttpExchange, { hostNames }: AccessRules): boolean {
  const host = exchange.header('host');
  if (exchange.hasTls || host === undefined) return true;
  if (!isLoopback(exchange.localAddress.replace(/^::ffff:/, ''))) return true;
  const name = hostName(host);
  return isLoopback(name) || hostNames.includes(name);
}

/**
 * The headers that let a page of an allowed origin read the response; null if its origin is not allowed. Requests that no page
 * has made have no Origin header and are always allowed.
 */
export function corsHeaders(exchange: HttpExchange, { origins }: AccessRules): string[] | null {
  const origin = exchange.header('origin');
  if (origins.includes('*')) return allowing('*');
  if (origin === undefined) return [];
  return origins.includes(origin) ? allowing(origin) : null;
}

function allowing(origin: string): string[] {
  return [
    ...['Access-Control-Allow-Methods', 'POST, GET, OPTIONS, PUT, DELETE'],
    ...['Access-Control-Allow-Origin', origin],
    ...['Access-Control-Allow-Headers', 'accept, content-type, authorization'],
  ];
}
