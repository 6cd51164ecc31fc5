/** The path of a request, as Go's HTTP server and its multiplexer read it. */
import { posix } from 'node:path';

export interface Target {
  /** Without percent-encoding. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

/** Null if it is not a valid request target. A whole URL counts as its path. */
export function parseTarget(target: string): Target | null {
  const local = target.replace(/^https?:\/\/[^/?]*/i, '');
  const question = local.indexOf('?');
  const encoded = question < 0 ? local : local.slice(0, question);
  try {
    const path = decodeURIComponent(encoded);
    return { path, query: question < 0 ? '' : local.slice(question + 1) };
  } catch {
    return null;
  }
}

/** Without empty segments and dots. Go's multiplexer redirects to this path if it is another one. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/') ? path : `/${path}`;
  return posix.normalize(rooted);
}
