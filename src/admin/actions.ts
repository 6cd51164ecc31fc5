/**
 * The actions of the admin address: an operator opens or closes a breaker, or ejects an endpoint. They are off by default. A forced
 * state lasts until `auto`, and ends with the process. A request of a browser is rejected unless the dashboard has sent it, because
 * any web page can send one.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isLoopback } from '../config/address.ts';
import { type BreakerClass, breakerClasses } from '../etcd/methods.ts';
import { hostName } from '../grpc/host-port.ts';

/** `auto` ends the forced state. */
export type Action =
  | {
      readonly kind: 'breaker';
      readonly tenant: string;
      readonly breaker: BreakerClass;
      readonly state: 'open' | 'closed' | 'auto';
    }
  | { readonly kind: 'endpoint'; readonly endpoint: string; readonly state: 'ejected' | 'auto' };

/** `not found`: no tenant or endpoint has this name. `disabled`: breakers are disabled. */
export interface ActionResult {
  readonly outcome: 'done' | 'not found' | 'disabled';
  /** What the operator should know; empty if there is nothing. */
  readonly note: string;
}

/** One breaker as /breakers shows it. */
export interface BreakerReport {
  readonly tenant: string;
  readonly breaker: BreakerClass;
  readonly state: 'closed' | 'open' | 'half-open';
  readonly isForced: boolean;
}

/** Why a request was rejected. */
export interface Rejection {
  readonly code: 400 | 403 | 404 | 415;
  readonly text: string;
}

/** What every request that changes something must fulfil, so that no foreign web page can send it. Null if it does. */
export function rejectionOf(headers: IncomingHttpHeaders): Rejection | null {
  const reason = rejectionOfPage(headers);
  if (reason !== null) return { code: 403, text: reason };
  if (headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    return { code: 415, text: 'the content-type must be application/json' };
  }
  return null;
}

/** Whether POST to this path is an action. */
export function isActionPath(path: string): boolean {
  return path.startsWith('/breakers/') || path.startsWith('/endpoints/');
}

/** Reads an action from the path and the query: `/breakers/{tenant}/{class}?state=…` or `/endpoints/{name}?state=…`. */
export function readAction(
  { headers }: IncomingMessage,
  path: string,
  query: URLSearchParams,
): Action | Rejection {
  const rejection = rejectionOf(headers);
  if (rejection !== null) return rejection;
  const state = query.get('state') ?? '';
  const names = decoded(path);
  if (names === null) return { code: 400, text: 'the path is not percent-encoded correctly' };
  return path.startsWith('/breakers/') ? breakerAction(names, state) : endpointAction(names, state);
}

/**
 * Browsers send Origin with every POST, and newer ones Sec-Fetch-Site. Null if the request comes from no page, or from a page of
 * this server. A page of a host name is never accepted: its owner can make the name resolve to the address of this server (DNS
 * rebinding), and the browser then takes that page for one of this server.
 */
function rejectionOfPage(headers: IncomingHttpHeaders): string | null {
  const { origin, host = '', 'sec-fetch-site': site } = headers;
  if (origin === undefined && site === undefined) return null;
  const isOwn = origin === `http://${host}` || origin === `https://${host}`;
  if (!isOwn || (site !== undefined && site !== 'same-origin')) {
    return 'requests of web pages are rejected, except those of the dashboard';
  }
  const name = hostName(host);
  if (isLoopback(name) || isIP(name) !== 0) return null;
  return 'the dashboard performs actions only if it is open at localhost or at an IP address';
}

function breakerAction(names: readonly string[], state: string): Action | Rejection {
  const breaker = breakerClasses.find((each) => each === names.at(-1));
  const tenant = names.slice(0, -1).join('/');
  if (breaker === undefined || tenant === '') {
    return { code: 404, text: `the path must be /breakers/{tenant}/{${breakerClasses.join('|')}}` };
  }
  if (state !== 'open' && state !== 'closed' && state !== 'auto') {
    return { code: 400, text: 'state must be open, closed or auto' };
  }
  return { kind: 'breaker', tenant, breaker, state };
}

function endpointAction(names: readonly string[], state: string): Action | Rejection {
  const endpoint = names.join('/');
  if (endpoint === '') return { code: 404, text: 'the path must be /endpoints/{name}' };
  if (state !== 'ejected' && state !== 'auto') {
    return { code: 400, text: 'state must be ejected or auto' };
  }
  return { kind: 'endpoint', endpoint, state };
}

/** The segments after the first one. Slashes in names may be encoded or not. Null if the encoding is invalid. */
function decoded(path: string): readonly string[] | null {
  try {
    return path.split('/').slice(2).map(decodeURIComponent);
  } catch {
    return null;
  }
}
