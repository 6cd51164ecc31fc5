/**
 * The listening half of the grpc-js transport: the oracle for the native one, and the way out when that has a bug. It
 * owns the sockets itself (acceptor.ts) and injects connections into grpc-js, which keeps HTTP/2 and message framing.
 *
 * Where grpc-js does not let it match etcd: Unimplemented says "The server does not implement the method …" for unknown
 * services and methods alike; a message over the limit is "Received message larger than max (n vs m)"; the client's
 * deadline is enforced by the library ("Deadline exceeded"), and one more than 24 days away counts as passed; streams over
 * the limit are reset with ENHANCE_YOUR_CALM; and Node's limit on reset streams is in force, which ends a connection that
 * cancels more than about a thousand calls at once.
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
import { serverPingIntervalMs, serverPingTimeoutMs } from '../connection-policy.ts';
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
} from '../transport.ts';
import { fromGrpcMetadata } from './metadata.ts';
import { ServedCall, type ServedCallHooks, type ServerStream } from './served-call.ts';

const identity = (bytes: Buffer): Buffer => bytes;

export interface GrpcJsServerOptions {
  readonly clock: Clock;
  /** A bug of ours was caught at the edge; its call has ended with Internal. */
  readonly onFault: (fault: unknown) => void;
}

export class GrpcJsServerTransport implements ServerTransport {
  readonly #options: GrpcJsServerOptions;

  constructor(options: GrpcJsServerOptions) {
    this.#options = options;
  }

  async listen<M extends ServedMethod>(
    options: ListenOptions,
    handler: CallHandler<M>,
  ): Promise<Listener> {
    const connections = new Connections(options, this.#options);
    for (const method of handler.methods.values()) connections.register(method, handler);
    const acceptor = await Acceptor.bind(options, (socket, peer) => connections.add(socket, peer));
    return new TransportListener(acceptor, connections, this.#options.clock);
  }
}

/** The connections of one listener and the calls on them. */
class Connections implements ServedCallHooks {
  openCalls = 0;
  readonly #clock: Clock;
  readonly #onFault: (fault: unknown) => void;
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #peers = new Map<string, Peer>();
  #connectionsSoFar = 0;
  #isClosed = false;

  constructor(listen: ListenOptions, options: GrpcJsServerOptions) {
    this.#clock = options.clock;
    this.#onFault = options.onFault;
    this.#server = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': listen.messageBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': serverPingIntervalMs,
      'grpc.keepalive_timeout_ms': serverPingTimeoutMs,
      ...(Number.isFinite(listen.streamsMax)
        ? { 'grpc.max_concurrent_streams': listen.streamsMax }
        : {}),
    });
    // TLS, where there is any, ended in the acceptor.
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  register<M extends ServedMethod>(method: M, handler: CallHandler<M>): void {
    if (method.requestStream) {
      const serve = (stream: ServerDuplexStream<Buffer, Buffer>) =>
        this.#open(stream, method, handler)?.serveRequests(stream);
      this.#server.register(method.path, serve, identity, identity, 'bidi');
    } else {
      // Unary methods too: for grpc-js they differ only in how the answer is handed over.
      const serve = (stream: ServerWritableStream<Buffer, Buffer>) =>
        this.#open(stream, method, handler)?.serveRequest(stream.request);
      this.#server.register(method.path, serve, identity, identity, 'serverStream');
    }
  }

  add(socket: Socket, peer: Peer): void {
    if (this.#isClosed) {
      // Its handshake outlived the listener.
      socket.destroy();
      return;
    }
    this.#connectionsSoFar += 1;
    const name = `connection ${this.#connectionsSoFar}`;
    this.#peers.set(name, peer);
    socket.once('close', () => this.#peers.delete(name));
    // All that a handler of grpc-js learns about its connection is the remote address, which is no identity: Unix
    // sockets have none, and a port may be taken over while the last calls of its previous owner still arrive.
    Object.defineProperty(socket, 'remoteAddress', { value: name });
    Object.defineProperty(socket, 'remotePort', { value: undefined });
    this.#injector.injectConnection(socket);
  }

  /** Sends GOAWAY to all of them; each ends with its last call. */
  drain(): void {
    this.#isClosed = true;
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
    const peer = this.#peers.get(stream.getPeer());
    if (peer === undefined) {
      // The connection broke before its call was looked at. Nobody hears this.
      stream.emit('error', { code: Code.UNAVAILABLE, details: 'connection closed' });
      return null;
    }
    const deadlineAt = Number(stream.getDeadline());
    const incoming: Incoming<M> = {
      method,
      metadata: fromGrpcMetadata(stream.metadata),
      deadlineMs: this.#clock.nowMs() + (deadlineAt - this.#clock.epochMs()),
      peer,
    };
    return new ServedCall(stream, handler, incoming, this);
  }
}
