/**
 * Binds a server to a TCP address or to the path of a Unix socket. The socket file of a process that was killed is replaced;
 * a path on which another process listens is not.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { hostPort } from './host-port.ts';
import type { SocketAddress } from './transport.ts';

/** Owner and group. The directory and the group decide which users may connect. */
const socketMode = 0o660;

/** Returns `host:port` with the real port, or the path. Rejects with the system's error. */
export async function bind(server: Server, address: SocketAddress): Promise<string> {
  try {
    await listen(server, address);
  } catch (error) {
    if (!('path' in address) || !(await isAbandoned(error, address.path))) throw error;
    unlinkSync(address.path);
    await listen(server, address);
  }
  if ('path' in address) chmodSync(address.path, socketMode);
  return boundAddress(server, address);
}

function listen(server: Server, address: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Removes the socket file of a process that was killed. For processes that bind a path together, before they do. */
export async function removeAbandonedSocket(path: string): Promise<void> {
  const isSocket = lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  if (isSocket && (await rejectsConnections(path))) unlinkSync(path);
}

/** Whether the path is in use, but no process accepts connections on it. */
function isAbandoned(error: unknown, path: string): Promise<boolean> {
  return hasCode(error, 'EADDRINUSE') ? rejectsConnections(path) : Promise.resolve(false);
}

function rejectsConnections(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path }, () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', (rejected) => resolve(hasCode(rejected, 'ECONNREFUSED')));
  });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function boundAddress(server: Server, requested: SocketAddress): string {
  if ('path' in requested) return requested.path;
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? hostPort(bound.address, bound.port) : '';
}
