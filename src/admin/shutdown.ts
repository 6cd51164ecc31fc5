/**
 * The rules of POST /quitquitquit, which starts the drain of this process. It is off by default, and accepted only over a
 * loopback connection or a Unix socket: in a pod, from the pod's own containers. The address itself may be open to the kubelet.
 */
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../config/address.ts';
import type { SocketAddress } from '../grpc/transport.ts';
import { type Rejection, rejectionOf } from './actions.ts';

export const shutdownPath = '/quitquitquit';

/** Null if the request may stop the process. `address` is the one that the server listens on. */
export function shutdownRejection(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  address: SocketAddress,
): Rejection | null {
  const rejection = rejectionOf(headers);
  if (rejection !== null) return rejection;
  if (isLocal(address, socket.remoteAddress)) return null;
  return { code: 403, text: 'only requests of this machine, over loopback, are accepted' };
}

/** A Unix socket has no remote address, and neither has a TCP client that has reset its connection after the request. */
function isLocal(address: SocketAddress, remoteAddress: string | undefined): boolean {
  if ('path' in address) return true;
  return remoteAddress !== undefined && isLoopback(remoteAddress.replace(/^::ffff:/, ''));
}
