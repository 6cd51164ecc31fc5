/**
 * The server side of the native transport. A connection that begins with the HTTP/2 preface serves calls. Any other connection
 * is passed to the HTTP/1.1 server, or closed if the listener has no such server.
 */
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { type PrefaceHandler, readPreface } from '../../http2/preface.ts';
import { ServerConnection, type StreamAcceptor } from '../../http2/server-connection.ts';
import type { StreamConnection } from '../../http2/stream.ts';
import { Acceptor } from '../acceptor.ts';
import { defaultKeepAlive } from '../connection-policy.ts';
import type { ConnectionPlace } from '../connections/connection-place.ts';
import { InflateSlots } from '../gzip/inflate-slots.ts';
import { TransportListener } from '../listener.ts';
import type { MessageMemory } from '../message-memory.ts';
import type {
  CallHandler,
  Listener,
  ListenOptions,
  Peer,
  ServedMethod,
  ServerTransport,
  ServerTransportOptions,
} from '../transport.ts';
import { Http1Connections } from './http1-connections.ts';
import type { PlainRequestHandler } from './plain-request.ts';
import { ResponseHeads } from './response-heads.ts';
import { ServedCall, type ServedCallContext } from './served-call.ts';

export interface NativeServerOptions extends ServerTransportOptions {
  /** Where requests count, and responses that a client does not read. */
  readonly memory: MessageMemory;
  /** Takes the connections that use HTTP/1.1; null to close them. */
  readonly http1: HttpServer | null;
  /** Takes HTTP/2 requests that are not gRPC, on connections with TLS. Without it they are rejected. */
  readonly onPlainRequest?: PlainRequestHandler;
}

export class NativeServerTransport implements ServerTransport {
  readonly #options: NativeServerOptions;
  readonly #http1: Http1Connections | null;
  readonly #inflateSlots = new InflateSlots();

  constructor(options: NativeServerOptions) {
    this.#options = options;
    this.#http1 = options.http1 === null ? null : new Http1Connections(options.http1);
  }

  async listen<M extends ServedMethod>(
    options: ListenOptions,
    handler: CallHandler<M>,
  ): Promise<Listener> {
    const shared = { http1: this.#http1, inflateSlots: this.#inflateSlots };
    const served = new Connections(options, this.#options, handler, shared);
    const acceptor = await Acceptor.bind(
      options,
      this.#options.connections,
      (socket, peer, place) => served.add(socket, peer, place),
    );
    return new TransportListener(acceptor, served, this.#options.clock);
  }
}

/** Creates the calls of one connection. */
class CallAcceptor<M extends ServedMethod> implements StreamAcceptor {
  readonly #context: ServedCallContext<M>;
  readonly #onClosed: (connection: ServerConnection) => void;

  constructor(context: ServedCallContext<M>, onClosed: (connection: ServerConnection) => void) {
    this.#context = context;
    this.#onClosed = onClosed;
  }

  accept(connection: StreamConnection): ServedCall<M> {
    return new ServedCall(connection, this.#context);
  }

  onClosed(connection: ServerConnection): void {
    this.#onClosed(connection);
  }
}

/** What all listeners share. */
interface Shared {
  readonly http1: Http1Connections | null;
  readonly inflateSlots: InflateSlots;
}

/** The connections of one listener. */
class Connections<M extends ServedMethod> {
  readonly #listen: ListenOptions;
  readonly #options: NativeServerOptions;
  readonly #handler: CallHandler<M>;
  readonly #shared: Shared;
  readonly #open = new Set<ServerConnection>();
  /** Sockets whose protocol is not known yet. */
  readonly #undetected = new Set<Socket>();

  constructor(
    listen: ListenOptions,
    options: NativeServerOptions,
    handler: CallHandler<M>,
    shared: Shared,
  ) {
    this.#listen = listen;
    this.#options = options;
    this.#handler = handler;
    this.#shared = shared;
  }

  get openCalls(): number {
    let calls = 0;
    for (const connection of this.#open) calls += connection.openStreams;
    return calls;
  }

  add(socket: Socket, peer: Peer, place: ConnectionPlace): void {
    this.#undetected.add(socket);
    socket.once('close', () => this.#undetected.delete(socket));
    const handler: PrefaceHandler = {
      onHttp2: (rest) => {
        this.#undetected.delete(socket);
        this.#serve(socket, peer, place, rest);
      },
      onHttp1: () => {
        this.#undetected.delete(socket);
        const { http1 } = this.#shared;
        if (http1 === null) socket.destroy();
        else http1.add(socket, peer, place, this);
      },
    };
    readPreface(socket, handler);
  }

  #serve(socket: Socket, peer: Peer, place: ConnectionPlace, rest: Buffer): void {
    const { clock, memory, onFault } = this.#options;
    const { minTimeMs, intervalMs, timeoutMs } = this.#listen.keepAlive ?? defaultKeepAlive;
    const context: ServedCallContext<M> = {
      handler: this.#handler,
      messageBytesMax: this.#listen.messageBytesMax,
      memory,
      requests: memory.requestAccount(peer),
      inflateSlots: this.#shared.inflateSlots,
      clock,
      peer,
      heads: new ResponseHeads(),
      onPlainRequest: this.#listen.tls === null ? null : (this.#options.onPlainRequest ?? null),
      onFault,
    };
    const connection = new ServerConnection({
      socket,
      clock,
      keepAlive: { intervalMs, timeoutMs, whenIdle: true },
      pingIntervalMsMin: minTimeMs,
      onBug: onFault,
      queueAccount: memory.connectionAccount(peer),
      streamsMax: this.#listen.streamsMax,
      acceptor: new CallAcceptor(context, (closed) => this.#open.delete(closed)),
    });
    this.#open.add(connection);
    place.openedHttp2(() => connection.openStreams);
    if (rest.length > 0) connection.receive(rest);
  }

  /** Sends GOAWAY on every connection. Each connection closes after its last call. */
  drain(): void {
    for (const socket of this.#undetected) socket.destroy();
    for (const connection of this.#open) connection.drain();
    this.#shared.http1?.drain(this);
  }
}
