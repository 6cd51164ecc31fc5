/**
 * The server side of the grpc-js transport, which is the reference for the native one and the fallback if that has a bug. The
 * acceptor owns the sockets and injects them into grpc-js, which handles HTTP/2 and message framing.
 *
 * grpc-js differs from etcd in these points:
 * - Unimplemented has the text "The server does not implement the method …" for unknown services and methods.
 * - A message over the limit has the text "Received message larger than max (n vs m)".
 * - The library enforces the client's deadline ("Deadline exceeded"). A deadline more than 24 days away counts as passed.
 * - Streams over the limit are reset with ENHANCE_YOUR_CALM.
 * - Node's limit on reset streams applies. It closes a connection that cancels more than about a thousand calls at once.
 */
import type { Socket } from 'node:net';
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import type { Clock } from '../../runtime/clock.ts';
import { Acceptor } from '../acceptor.ts';
import { defaultKeepAlive } from '../connection-policy.ts';
import type { ConnectionPlace } from '../connections/connection-place.ts';
import { TransportListener } from '../listener.ts';
import { Code } from '../status.ts';
import type {
  CallHandler,
  Incoming,
  Listener,
  ListenOptions,
  Peer,
  ServedMethod,
  ServerTransport,
  ServerTransportOptions,
  TransportOptions,
} from '../transport.ts';
import { fromGrpcMetadata } from './metadata.ts';
import { ServedCall, type ServedCallContext, type ServerStream } from './served-call.ts';

const identity = (bytes: Buffer): Buffer => bytes;

export class GrpcJsServerTransport implements ServerTransport {
  readonly #options: ServerTransportOptions;

  constructor(options: ServerTransportOptions) {
    this.#options = options;
  }

  async listen<M extends ServedMethod>(
    options: ListenOptions,
    handler: CallHandler<M>,
  ): Promise<Listener> {
    const connections = new Connections(options, this.#options);
    for (const method of handler.methods.values()) connections.register(method, handler);
    const acceptor = await Acceptor.bind(
      options,
      this.#options.connections,
      (socket, peer, place) => connections.add(socket, peer, place),
    );
    return new TransportListener(acceptor, connections, this.#options.clock);
  }
}

/** One connection and the number of calls on it. */
class Connection implements ServedCallContext {
  readonly peer: Peer;
  openCalls = 0;
  readonly #listener: ServedCallContext;

  constructor(peer: Peer, listener: ServedCallContext) {
    this.peer = peer;
    this.#listener = listener;
  }

  onOpen(): void {
    this.openCalls += 1;
    this.#listener.onOpen();
  }

  onClose(): void {
    this.openCalls -= 1;
    this.#listener.onClose();
  }

  onFault(fault: unknown): void {
    this.#listener.onFault(fault);
  }
}

/** The connections of one listener and the calls on them. */
class Connections implements ServedCallContext {
  openCalls = 0;
  readonly #clock: Clock;
  readonly #onFault: (fault: unknown) => void;
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #connections = new Map<string, Connection>();
  #connectionCount = 0;

  constructor(listen: ListenOptions, options: TransportOptions) {
    this.#clock = options.clock;
    this.#onFault = options.onFault;
    const { intervalMs, timeoutMs } = listen.keepAlive ?? defaultKeepAlive;
    this.#server = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': listen.messageBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': intervalMs,
      'grpc.keepalive_timeout_ms': timeoutMs,
      ...(Number.isFinite(listen.streamsMax)
        ? { 'grpc.max_concurrent_streams': listen.streamsMax }
        : {}),
    });
    // The acceptor terminates TLS.
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  register<M extends ServedMethod>(method: M, handler: CallHandler<M>): void {
    if (method.requestStream) {
      const serve = (stream: ServerDuplexStream<Buffer, Buffer>) =>
        this.#open(stream, method, handler)?.serveRequests(stream);
      this.#server.register(method.path, serve, identity, identity, 'bidi');
    } else {
      // Unary methods too, because in grpc-js they differ only in how the handler returns the response.
      const serve = (stream: ServerWritableStream<Buffer, Buffer>) =>
        this.#open(stream, method, handler)?.serveRequest(stream.request);
      this.#server.register(method.path, serve, identity, identity, 'serverStream');
    }
  }

  add(socket: Socket, peer: Peer, place: ConnectionPlace): void {
    const connection = new Connection(peer, this);
    // The library reads the first bytes itself.
    place.openedHttp2(() => connection.openCalls);
    this.#connectionCount += 1;
    const name = `connection ${this.#connectionCount}`;
    this.#connections.set(name, connection);
    socket.once('close', () => this.#connections.delete(name));
    // A handler of grpc-js gets only the remote address of its connection, which does not identify it: Unix sockets have
    // none, and a port may be reused while the last calls of its previous connection still arrive. So the address is replaced
    // by the name of the connection.
    Object.defineProperty(socket, 'remoteAddress', { value: name });
    Object.defineProperty(socket, 'remotePort', { value: undefined });
    this.#injector.injectConnection(socket);
  }

  /** Sends GOAWAY on every connection. Each connection closes after its last call. */
  drain(): void {
    this.#injector.destroy();
  }

  onOpen(): void {
    this.openCalls += 1;
  }

  onClose(): void {
    this.openCalls -= 1;
  }

  onFault(fault: unknown): void {
    this.#onFault(fault);
  }

  #open<M extends ServedMethod>(
    stream: ServerStream,
    method: M,
    handler: CallHandler<M>,
  ): ServedCall<M> | null {
    const connection = this.#connections.get(stream.getPeer());
    if (connection === undefined) {
      // The connection closed before its call was handled, so no client receives this.
      stream.emit('error', { code: Code.UNAVAILABLE, details: 'connection closed' });
      return null;
    }
    const deadlineAt = Number(stream.getDeadline());
    const incoming: Incoming<M> = {
      method,
      metadata: fromGrpcMetadata(stream.metadata),
      deadlineMs: this.#clock.nowMs() + (deadlineAt - this.#clock.epochMs()),
      peer: connection.peer,
      authority: stream.getHost(),
    };
    return new ServedCall(stream, handler, incoming, connection);
  }
}
