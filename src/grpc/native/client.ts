/**
 * The dialling half of the native transport: one channel keeps one connection to one address, and dials again after
 * each loss, with a pause that grows and is never the same for two channels.
 */
import { ClientConnection, type ClientConnectionOwner } from '../../http2/client-connection.ts';
import { ErrorCode } from '../../http2/frame.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { Deadlines } from '../../runtime/deadlines.ts';
import { jittered, type Random } from '../../runtime/random.ts';
import { hostPort } from '../acceptor.ts';
import { type CallHandle, endedCall, type RequestSink, type ResponseSink } from '../call.ts';
import { AssemblyBudget } from '../message-framing.ts';
import { Code, status } from '../status.ts';
import type {
  Channel,
  ChannelState,
  ClientTransport,
  DialOptions,
  RequestHead,
} from '../transport.ts';
import { type Calling, ClientCall } from './client-call.ts';
import { type Dialling, dialSocket } from './dial.ts';
import { RequestTemplates, timeoutField } from './request.ts';

const reconnectMsMin = 100;
const reconnectMsMax = 3_000;
const reconnectGrowth = 1.6;
const reconnectJitter = 0.2;
/** From the first packet to the server's SETTINGS. */
const handshakeMsMax = 5_000;
/** A connection that lived so long was a good one: after it dialling begins without a pause. */
const stableMs = 3_000;

/** What incomplete answers may take together: several of the largest that etcd could give. */
const assemblyBytesMax = 8_589_934_592;

export interface NativeClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** A bug of ours was caught at the edge; its call has ended with Internal. */
  readonly onFault: (fault: unknown) => void;
}

export class NativeClientTransport implements ClientTransport {
  readonly #options: NativeClientOptions;
  readonly #calling: Calling;

  constructor(options: NativeClientOptions) {
    this.#options = options;
    this.#calling = {
      deadlines: new Deadlines(options.clock),
      assembly: new AssemblyBudget(assemblyBytesMax),
      onFault: options.onFault,
    };
  }

  /** Throws when a certificate, a key or the authorities cannot be parsed. */
  dial(options: DialOptions): Channel {
    return new NativeChannel(options, this.#options, this.#calling);
  }
}

class NativeChannel implements Channel, ClientConnectionOwner {
  state: ChannelState = 'connecting';
  failure = '';
  onState: (() => void) | null = null;
  readonly #dial: DialOptions;
  readonly #options: NativeClientOptions;
  readonly #calling: Calling;
  readonly #scheme: string;
  readonly #authority: string;
  #templates: RequestTemplates;
  /** A socket on its way to becoming `#connection`. */
  #dialling: Dialling | null = null;
  #connection: ClientConnection | null = null;
  /** Connections that take no more calls and have some yet. */
  readonly #leaving = new Set<ClientConnection>();
  #cancelTimer: CancelTimer = () => {};
  #pauseMs = reconnectMsMin;
  #readyAtMs = 0;
  #keepaliveMs: number;

  constructor(dial: DialOptions, options: NativeClientOptions, calling: Calling) {
    this.#dial = dial;
    this.#options = options;
    this.#calling = calling;
    this.#keepaliveMs = dial.keepaliveMs;
    this.#scheme = dial.tls === null ? 'http' : 'https';
    this.#authority = authorityOf(dial);
    this.#templates = new RequestTemplates(this.#scheme, this.#authority);
    this.#connect();
  }

  unary(head: RequestHead, message: Uint8Array, reply: ResponseSink): CallHandle {
    const call = this.#open(head, reply, true);
    call?.onlyMessage(message);
    return call ?? endedCall;
  }

  stream(head: RequestHead, reply: ResponseSink): RequestSink {
    return this.#open(head, reply, false) ?? endedCall;
  }

  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.failure = '';
    this.#cancelTimer();
    this.#dialling?.cancel();
    this.#connection?.close('the channel was closed');
    for (const connection of this.#leaving) connection.close('the channel was closed');
    this.#tell();
  }

  #open(head: RequestHead, reply: ResponseSink, isUnary: boolean): ClientCall | null {
    const connection = this.#connection;
    if (this.state !== 'ready' || connection === null || !connection.canOpen) {
      const why = this.failure === '' ? this.state : this.failure;
      reply.end(status(Code.UNAVAILABLE, `no connection: ${why}`, 'unsent'));
      return null;
    }
    const template = this.#templates.find(head.path, head.metadata);
    if (template === null) {
      reply.end(status(Code.INTERNAL, 'metadata that cannot stand in a header'));
      return null;
    }
    const call = new ClientCall(connection.core, this.#calling, reply, isUnary);
    const { timeoutMs } = head;
    if (timeoutMs !== Number.POSITIVE_INFINITY) call.limit(this.#options.clock.nowMs() + timeoutMs);
    connection.open(call, template, timeoutField(timeoutMs), false);
    return call;
  }

  // ---- One connection after the other ----

  #connect(): void {
    this.#cancelTimer = this.#options.clock.after(handshakeMsMax, () => {
      this.#give(`no HTTP/2 settings within ${handshakeMsMax} ms`);
    });
    let connection: ClientConnection | null = null;
    this.#dialling = dialSocket(this.#dial, {
      onRead: (bytes) => connection?.receive(bytes),
      onSocket: (socket) => {
        this.#dialling = null;
        connection = new ClientConnection({
          socket,
          owner: this,
          clock: this.#options.clock,
          onBug: this.#options.onFault,
          keepAlive: {
            intervalMs: this.#keepaliveMs,
            timeoutMs: this.#dial.keepaliveTimeoutMs,
            whenIdle: false,
          },
        });
        this.#connection = connection;
      },
      onFailure: (reason) => {
        this.#dialling = null;
        this.#onLoss(reason);
      },
    });
  }

  /** Gives up a connection that is not ready in time. */
  #give(reason: string): void {
    this.#dialling?.cancel();
    this.#dialling = null;
    const connection = this.#connection;
    this.#connection = null;
    connection?.close(reason);
    this.#onLoss(reason);
  }

  onReady(connection: ClientConnection): void {
    if (connection !== this.#connection) return;
    this.#cancelTimer();
    this.#templates = new RequestTemplates(this.#scheme, this.#authority);
    this.#readyAtMs = this.#options.clock.nowMs();
    this.#become('ready', '');
  }

  onGoingAway(connection: ClientConnection, code: number, text: string): void {
    if (connection !== this.#connection) return;
    this.#connection = null;
    this.#leaving.add(connection);
    // As gRPC's proposal A8 asks of clients that ping too often.
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.#keepaliveMs *= 2;
    this.#onLoss(text === '' ? 'the server is going away' : `the server is going away: ${text}`);
  }

  onClosed(connection: ClientConnection): void {
    this.#leaving.delete(connection);
    if (connection !== this.#connection) return;
    this.#connection = null;
    this.#onLoss(connection.failure);
  }

  #onLoss(reason: string): void {
    if (this.state === 'closed') return;
    this.#cancelTimer();
    const { clock, random } = this.#options;
    const wasStable = this.state === 'ready' && clock.nowMs() - this.#readyAtMs >= stableMs;
    if (wasStable) this.#pauseMs = reconnectMsMin;
    const delayMs = wasStable ? 0 : jittered(random, this.#pauseMs, reconnectJitter);
    if (!wasStable) {
      this.#pauseMs = Math.min(reconnectMsMax, Math.ceil(this.#pauseMs * reconnectGrowth));
    }
    this.#cancelTimer = clock.after(delayMs, () => {
      this.#become('connecting', '');
      if (this.state === 'connecting') this.#connect();
    });
    this.#become('failed', reason);
  }

  #become(state: ChannelState, failure: string): void {
    this.state = state;
    this.failure = failure;
    this.#tell();
  }

  #tell(): void {
    try {
      this.onState?.();
    } catch (fault) {
      this.#options.onFault(fault);
    }
  }
}

function authorityOf({ address, tls }: DialOptions): string {
  if (tls?.serverName) return tls.serverName;
  return 'path' in address ? 'localhost' : hostPort(address.host, address.port);
}
