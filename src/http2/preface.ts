/**
 * The first bytes of an accepted connection: HTTP/2 with prior knowledge or after ALPN, which both begin with the same
 * 24 bytes, or a request line of HTTP/1.1. Until that is known nothing is promised to the peer, and it has limited time;
 * who speaks neither is cut off.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../runtime/clock.ts';
import { clientPreface } from './frame.ts';
import { limits } from './limits.ts';

export interface PrefaceHandler {
  /** The preface was read; `rest` are the bytes behind it. */
  onHttp2(socket: Socket, rest: Buffer): void;
  /** The socket as if nothing had been read from it. */
  onHttp1(socket: Socket): void;
}

const http1Methods = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'OPTIONS ', 'PATCH '];

/** Reads from `socket` until it is known what it speaks. A socket that stays silent is destroyed. */
export function readPreface(socket: Socket, clock: Clock, handler: PrefaceHandler): void {
  let read: Buffer = Buffer.alloc(0);
  const cancelTimer = clock.after(limits.prefaceTimeoutMs, () => socket.destroy());
  const stop = () => {
    cancelTimer();
    socket.off('data', onChunk);
    socket.off('close', stop);
    socket.off('error', ignore);
  };
  const onChunk = (chunk: Buffer) => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    const length = Math.min(read.length, clientPreface.length);
    if (read.compare(clientPreface, 0, length, 0, length) === 0) {
      if (length < clientPreface.length) return;
      stop();
      handler.onHttp2(socket, read.subarray(length));
      return;
    }
    const text = read.toString('latin1', 0, 8);
    if (http1Methods.some((method) => text.startsWith(method))) {
      stop();
      socket.pause();
      socket.unshift(read);
      handler.onHttp1(socket);
      socket.resume();
    } else if (!http1Methods.some((method) => method.startsWith(text))) {
      stop();
      socket.destroy();
    }
  };
  socket.on('data', onChunk);
  socket.on('close', stop);
  socket.on('error', ignore);
}

/** The socket closes after an error by itself. */
function ignore(): void {}
