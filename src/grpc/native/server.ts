/**
 * The listening half of the native transport. It brings accepted sockets and calls together: a connection that begins
 * with HTTP/2's preface serves calls, and any other is handed to the HTTP/1.1 server, if there is one.
 */
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { HeaderTemplate } from '../../http2/hpack/encoder.ts';
import { type PrefaceHandler, readPreface } from '../../http2/preface.ts';
import { ServerConnection, type StreamAcceptor } from '../../http2/server-connection.ts';
import type { StreamConnection } from '../../http2/stream.ts';
import type { Clock } from '../../runtime/clock.ts';
import { AcceptedListener } from '../accepted-listener.ts';
import { Acceptor } from '../acceptor.ts';
import { AssemblyBudget } from '../message-framing.ts';
import type {
  CallHandler,
  Listener,
  ListenOptions,
  Peer,
  ServedMethod,
  ServerTransport,
} from '../transport.ts';
import { Http1Connections } from './http1.ts';
import { ServedCall, type Serving } from './served-call.ts';

/** As etcd: embed/config.go, DefaultGRPCKeepAliveInterval and …Timeout. */
const keepAlive = { intervalMs: 7_200_000, timeoutMs: 20_000, whenIdle: true };

/** What incomplete messages of one connection may take together. Over it a call is ended: ResourceExhausted. */
const assemblyBytesMax = 67_108_864;

export interface NativeServerOptions {
  readonly clock: Clock;
  /** A bug of ours was caught at the edge; its call has ended with Internal. */
  readonly onFault: (fault: unknown) => void;
  /** Takes the connections that speak HTTP/1.1, see native-http1.ts; without it they are cut off. */
  readonly http1: HttpServer | null;
}

export class NativeServerTransport implements ServerTransport {
  readonly #options: NativeServerOptions;

  constructor(options: NativeServerOptions) {
    this.#options = options;
  }

  async listen<M extends ServedMethod>(
    options: ListenOptions,
    handler: CallHandler<M>,
  ): Promise<Listener> {
    const connections = new Connections(options, this.#options, handler);
    const acceptor = await Acceptor.bind(options, (socket, peer) => connections.add(socket, peer));
    return new AcceptedListener(acceptor, connections, this.#options.clock);
  }
}

/** The calls of one connection. */
class Calls<M extends ServedMethod> implements StreamAcceptor {
  readonly #serving: Serving<M>;
  readonly #onClosed: (connection: ServerConnection) => void;

  constructor(serving: Serving<M>, onClosed: (connection: ServerConnection) => void) {
    this.#serving = serving;
    this.#onClosed = onClosed;
  }

  accept(connection: StreamConnection): ServedCall<M> {
    return new ServedCall(connection, this.#serving);
  }

  onClosed(connection: ServerConnection): void {
    this.#onClosed(connection);
  }
}

/** The connections of one listener. */
class Connections<M extends ServedMethod> {
  readonly #listen: ListenOptions;
  readonly #options: NativeServerOptions;
  readonly #handler: CallHandler<M>;
  readonly #open = new Set<ServerConnection>();
  /** Sockets that have not said yet what they speak. */
  readonly #silent = new Set<Socket>();
  readonly #http1: Http1Connections | null;
  #isDraining = false;

  constructor(listen: ListenOptions, options: NativeServerOptions, handler: CallHandler<M>) {
    this.#listen = listen;
    this.#http1 = options.http1 === null ? null : new Http1Connections(options.http1);
    this.#options = options;
    this.#handler = handler;
  }

  get openCalls(): number {
    let calls = 0;
    for (const connection of this.#open) calls += connection.openStreams;
    return calls;
  }

  add(socket: Socket, peer: Peer): void {
    if (this.#isDraining) {
      // Its handshake outlived the listener.
      socket.destroy();
      return;
    }
    this.#silent.add(socket);
    socket.once('close', () => this.#silent.delete(socket));
    const handler: PrefaceHandler = {
      onHttp2: (_, rest) => {
        this.#silent.delete(socket);
        this.#serve(socket, peer, rest);
      },
      onHttp1: () => {
        this.#silent.delete(socket);
        if (this.#http1 === null) socket.destroy();
        else this.#http1.add(socket, peer);
      },
    };
    readPreface(socket, this.#options.clock, handler);
  }

  #serve(socket: Socket, peer: Peer, rest: Buffer): void {
    const { clock, onFault } = this.#options;
    const serving: Serving<M> = {
      handler: this.#handler,
      messageBytesMax: this.#listen.messageBytesMax,
      assembly: new AssemblyBudget(Math.max(assemblyBytesMax, this.#listen.messageBytesMax)),
      clock,
      peer,
      replyHead: new HeaderTemplate([':status', '200', 'content-type', 'application/grpc'], true),
      okTrailers: new HeaderTemplate(['grpc-status', '0'], true),
      onFault,
    };
    const connection = new ServerConnection({
      socket,
      clock,
      keepAlive,
      onBug: onFault,
      streamsMax: this.#listen.streamsMax,
      acceptor: new Calls(serving, (closed) => this.#open.delete(closed)),
    });
    this.#open.add(connection);
    if (rest.length > 0) connection.receive(rest);
  }

  /** Each connection leaves with its last call. */
  drain(): void {
    this.#isDraining = true;
    for (const socket of this.#silent) socket.destroy();
    for (const connection of this.#open) connection.drain();
    this.#http1?.drain();
  }
}
