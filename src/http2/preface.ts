/**
 * Detects the protocol of an accepted connection from its first bytes. HTTP/2, with prior knowledge or after ALPN, begins with
 * the same 24 bytes; HTTP/1.1 begins with a request line. A connection that speaks neither is destroyed. The caller limits the
 * time.
 */
import type { Socket } from 'node:net';
import { clientPreface } from './frame.ts';

export interface PrefaceHandler {
  /** The preface was read; `rest` holds the bytes after it. */
  onHttp2(rest: Buffer): void;
  /** All bytes were put back, so the socket reads as if untouched. */
  onHttp1(): void;
}

const http1Methods = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'OPTIONS ', 'PATCH '];

/** Reads from `socket` until its protocol is known, then calls one method of `handler`. */
export function readPreface(socket: Socket, handler: PrefaceHandler): void {
  let read: Buffer = Buffer.alloc(0);
  const stop = () => {
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
      handler.onHttp2(read.subarray(length));
      return;
    }
    const text = read.toString('latin1', 0, 8);
    if (http1Methods.some((method) => text.startsWith(method))) {
      stop();
      socket.pause();
      socket.unshift(read);
      handler.onHttp1();
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

/** After an error the socket closes itself. */
function ignore(): void {}
