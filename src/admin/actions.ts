/**
 * The actions of the admin address: an operator opens or closes a breaker, or ejects an endpoint. They are off by default. A forced
 * state lasts until `auto`, and ends with the process. Requests of browsers are rejected, because a web page can send them.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type BreakerClass, breakerClasses } from '../etcd/methods.ts';

/** `auto` ends the forced state. */
export type Action =
  | {
      readonly kind: 'breaker';
      readonly tenant: string;
      readonly breaker: BreakerClass;
      readonly state: 'open' | 'closed' | 'auto';
    }
  | { readonly kind: 'endpoint'; readonly endpoint: string; readonly state: 'ejected' | 'auto' };

/** `not found`: there is no such tenant or endpoint. `disabled`: breakers are disabled. */
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

/** What every request that changes something must fulfil, so that no web page can send it. Null if it does. */
export function rejectionOf(headers: IncomingHttpHeaders): Rejection | null {
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) {
    return { code: 403, text: 'requests of browsers are rejected' };
  }
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
