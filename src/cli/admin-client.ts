/**
 * HTTP requests to the admin address of a running proxy, over TCP or a Unix socket, for the commands that ask one: `wait`,
 * `shutdown` and `top`.
 */
import { text } from 'node:stream/consumers';
import type { SocketAddress } from '../grpc/transport.ts';
import { systemClock } from '../runtime/clock.ts';
import { nodeHttp } from '../runtime/node-http.ts';

/** How often a condition is checked. */
const pollIntervalMs = 100;

export interface AdminLimits {
  /** For the whole response. */
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
}

export interface AdminResponse {
  readonly code: number;
  readonly body: string;
}

/** Resolves with an error if no complete response arrives within the limits. Never rejects. */
export function ask(
  address: SocketAddress,
  method: 'GET' | 'POST',
  path: string,
  { timeoutMs, bodyBytesMax }: AdminLimits,
): Promise<AdminResponse | Error> {
  const { promise, resolve } = Promise.withResolvers<AdminResponse | Error>();
  const target = 'path' in address ? { socketPath: address.path } : address;
  const signal = AbortSignal.timeout(timeoutMs);
  // Node reports the timeout as an aborted request, or as a lost connection while the body arrives.
  const onError = (error: Error) =>
    resolve(signal.aborted ? new Error(`no response within ${timeoutMs / 1_000} s`) : error);
  const request = nodeHttp().request({
    ...target,
    ...{ method, path, agent: false, signal },
    // The server accepts only loopback names on a loopback address.
    headers: { host: 'localhost', 'content-type': 'application/json' },
  });
  request.on('error', onError);
  request.on('response', (response) => {
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) response.destroy(new Error('the response is too large'));
    });
    text(response).then((body) => resolve({ code: response.statusCode ?? 0, body }), onError);
  });
  request.end();
  return promise;
}

/** Where a client on the same machine reaches a server that listens at this address, which may be that of all interfaces. */
export function reachable(address: SocketAddress): SocketAddress {
  if ('path' in address) return address;
  return { ...address, host: reachableHosts[address.host] ?? address.host };
}

const reachableHosts: Readonly<Record<string, string>> = {
  '0.0.0.0': '127.0.0.1',
  '::': 'localhost',
};

/** Whether nothing listens at the address. */
export function isRefused(response: AdminResponse | Error): boolean {
  const code = response instanceof Error ? (response as NodeJS.ErrnoException).code : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

/** One line that describes a response, for an error message. */
export function described(response: AdminResponse | Error): string {
  if (!(response instanceof Error)) return `${response.code} ${response.body.trim()}`;
  return response.message === ''
    ? String((response as NodeJS.ErrnoException).code)
    : response.message;
}

/**
 * Calls `check` until it returns null, at most for `timeoutMs`. Returns null then, and otherwise its last result. Checks
 * once without a timeout.
 */
export async function poll(
  check: () => Promise<string | null>,
  timeoutMs: number,
): Promise<string | null> {
  const endMs = systemClock.nowMs() + timeoutMs;
  for (;;) {
    const missing = await check();
    const remainingMs = endMs - systemClock.nowMs();
    if (missing === null || remainingMs <= 0) return missing;
    const { promise, resolve } = Promise.withResolvers<void>();
    systemClock.after(Math.min(pollIntervalMs, remainingMs), resolve);
    await promise;
  }
}
