/**
 * The rules of POST /quitquitquit, which starts the drain of this process. It is off by default, and accepted only over a
 * loopback connection or a Unix socket: in a pod, from the pod's own containers. The address itself may be open to the kubelet.
 */
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../config/address.ts';
import { type Rejection, rejectionOf } from './actions.ts';

export const shutdownPath = '/quitquitquit';

/** Null if the request may stop the process. */
export function shutdownRejection({ headers, socket }: IncomingMessage): Rejection | null {
  const rejection = rejectionOf(headers);
  if (rejection !== null) return rejection;
  if (isLocal(socket.remoteAddress)) return null;
  return { code: 403, text: 'only requests of this machine, over loopback, are accepted' };
}

/** A Unix socket has no remote address. */
function isLocal(remoteAddress: string | undefined): boolean {
  return remoteAddress === undefined || isLoopback(remoteAddress.replace(/^::ffff:/, ''));
}
