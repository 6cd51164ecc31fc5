/**
 * Binds a server to a TCP address or to the path of a Unix socket. The socket file of a process that was killed is replaced;
 * a path on which another process listens, or that is not a socket, is an error.
 */
import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { hostPort } from './host-port.ts';
import type { SocketAddress, SocketPermissions } from './transport.ts';

/** Owner and group. The directory and the group decide which users may connect. */
const defaultPermissions: SocketPermissions = { mode: 0o660, gid: null };
/** The owner of the file does not change. */
const sameUser = -1;

/** Returns `host:port` with the real port, or the path. Rejects with the system's error. */
export async function bind(server: Server, address: SocketAddress): Promise<string> {
  try {
    await listen(server, address);
  } catch (error) {
    if (!('path' in address) || !hasCode(error, 'EADDRINUSE')) throw error;
    const { path } = address;
    if (!isSocket(path)) throw new Error(`cannot listen on ${path}: it exists and is not a socket`);
    if (!(await rejectsConnections(path))) throw error;
    unlinkSync(path);
    await listen(server, address);
  }
  if ('path' in address) permit(address.path, address.permissions ?? defaultPermissions);
  return boundAddress(server, address);
}

/** The group comes first, so that no other group has the permissions of the mode. */
function permit(path: string, { mode, gid }: SocketPermissions): void {
  try {
    if (gid !== null) chownSync(path, sameUser, gid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`cannot give ${path} to group ${gid}: is the process a member? (${code})`);
  }
  chmodSync(path, mode);
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
  if (isSocket(path) && (await rejectsConnections(path))) unlinkSync(path);
}

/** A symbolic link to a socket is not one: it may belong to another program. */
function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
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
