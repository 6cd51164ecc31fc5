/** From an address to a connected socket, over TCP or a Unix socket, with or without TLS. One attempt, no patience. */
import { connect as connectTcp, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { clientContext, expectedServerName, sniName } from '../tls.ts';
import type { ClientTls, DialOptions, SocketAddress } from '../transport.ts';

export interface DiallingHandler {
  onSocket(socket: Socket): void;
  /** What arrives after `onSocket`. Valid until this returns. */
  onRead(bytes: Buffer): void;
  /** In the system's or OpenSSL's words. */
  onFailure(reason: string): void;
}

export interface Dialling {
  /** The handler hears nothing more. */
  cancel(): void;
}

/**
 * What all sockets that we dial read into: each read is worked off before the next, so that one buffer serves them all, and a
 * long answer is read in few pieces and leaves nothing to collect.
 */
const readBuffer = Buffer.allocUnsafeSlow(262_144);

/** Throws when a certificate, a key or the authorities cannot be parsed. */
export function dialSocket(options: DialOptions, handler: DiallingHandler): Dialling {
  const reading = {
    onread: {
      buffer: readBuffer,
      callback: (bytes: number) => {
        handler.onRead(readBuffer.subarray(0, bytes));
        return true;
      },
    },
  };
  const socket =
    options.tls === null
      ? connectTcp({ ...options.address, ...reading })
      : connectTls({ ...tlsOptions(options.address, options.tls), ...reading });
  const onConnected = () => {
    release();
    handler.onSocket(socket);
  };
  const onError = (error: Error) => {
    release();
    socket.on('error', ignore);
    socket.destroy();
    handler.onFailure(reasonOf(error));
  };
  const onClose = () => onError(new Error('the connection was closed during the handshake'));
  const connected = options.tls === null ? 'connect' : 'secureConnect';
  const release = () => {
    socket.off(connected, onConnected);
    socket.off('error', onError);
    socket.off('close', onClose);
  };
  socket.on(connected, onConnected);
  socket.on('error', onError);
  socket.on('close', onClose);
  return {
    cancel() {
      release();
      socket.on('error', ignore);
      socket.destroy();
    },
  };
}

function tlsOptions(address: SocketAddress, tls: ClientTls) {
  const name = expectedServerName(address, tls);
  return {
    ...address,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: !tls.skipVerification,
    secureContext: clientContext(tls),
    servername: sniName(name),
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(name, certificate),
  };
}

/** Several addresses behind one name fail with an error that has no words of its own. */
function reasonOf(error: Error): string {
  const [first] = error instanceof AggregateError ? error.errors : [];
  const told = first instanceof Error ? first : error;
  return told.message === '' ? told.name : told.message;
}

/** What happens to a socket after it was given up concerns nobody. */
function ignore(): void {}
