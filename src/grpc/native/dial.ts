/** Connects a socket to a TCP address or a Unix socket, with or without TLS. It makes one attempt and has no timeout. */
import { connect as connectTcp, type LookupFunction, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { clientContext, expectedServerName, sniName } from '../tls.ts';
import type { ClientTls, DialOptions, SocketAddress } from '../transport.ts';

export interface DialHandler {
  onSocket(socket: Socket): void;
  /** Bytes that arrive after `onSocket`. Valid until the method returns. */
  onRead(bytes: Buffer): void;
  /** `reason` is the system's or OpenSSL's message. */
  onFailure(reason: string): void;
}

export interface DialAttempt {
  /** Destroys the socket. The handler is not called again. */
  cancel(): void;
}

/**
 * The read buffer of all dialed sockets. Each read is processed before the next, so the sockets can share it. A large response
 * is read in few pieces and creates no garbage.
 */
const readBuffer = Buffer.allocUnsafeSlow(262_144);

/** Throws if a certificate or the key cannot be parsed. `lookup` resolves host names. */
export function dialSocket(
  options: DialOptions,
  lookup: LookupFunction,
  handler: DialHandler,
): DialAttempt {
  const own = {
    lookup,
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
      ? connectTcp({ ...options.address, ...own })
      : connectTls({ ...tlsOptions(options.address, options.tls), ...own });
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

/** A name with several addresses fails with an AggregateError, whose own message is empty. */
function reasonOf(error: Error): string {
  const [first] = error instanceof AggregateError ? error.errors : [];
  const cause = first instanceof Error ? first : error;
  return cause.message === '' ? cause.name : cause.message;
}

/** For errors of a socket that is not used any more. Without a listener they would end the process. */
function ignore(): void {}
