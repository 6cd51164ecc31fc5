/**
 * The client side of the native transport. A channel keeps one connection to one address and reconnects after each loss: at
 * once if the connection has carried a response, but at most every 50 ms, otherwise with exponential backoff and jitter. The first
 * few connections that were ready and carried nothing are reopened at once, too: a balancer or a rolling restart closes them.
 */
import type { LookupFunction } from 'node:net';
import { ClientConnection, type ClientConnectionOwner } from '../../http2/client-connection.ts';
import { ErrorCode } from '../../http2/frame.ts';
import type { CancelTimer } from '../../runtime/clock.ts';
import { Deadlines } from '../../runtime/deadlines.ts';
import { jittered, type Random } from '../../runtime/random.ts';
import { type CallHandle, endedCall, type RequestSink, type ResponseSink } from '../call.ts';
import {
  handshakeMsMax,
  handshakeTimeoutText,
  reconnectMsMax,
  reconnectMsMin,
} from '../connection-policy.ts';
import { hostPort } from '../host-port.ts';
import type { MessageMemory } from '../message-memory.ts';
import { StatefulChannel } from '../stateful-channel.ts';
import type {
  Channel,
  ClientTransport,
  DialOptions,
  RequestHead,
  TransportOptions,
} from '../transport.ts';
import { closedChannelText, invalidMetadata } from '../transport-statuses.ts';
import { ClientCall, type ClientCallContext } from './client-call.ts';
import { type DialAttempt, dialSocket } from './dial.ts';
import { AddressTurns, SharedLookup } from './lookup.ts';
import { RequestTemplates, timeoutField } from './request-templates.ts';

const reconnectGrowth = 1.6;
const reconnectJitter = 0.2;
/** A connection without a response that was ready for this long is reopened without backoff. */
const stableMs = 3_000;

/** So many connections in a row are reopened without backoff although they were lost early and without a response. */
const earlyLossesMax = 5;

/** The least time between two attempts, for a server that closes each connection after one response. */
const reopenPauseMs = 50;

export interface NativeClientOptions extends TransportOptions {
  readonly random: Random;
  /** Where responses count. */
  readonly memory: MessageMemory;
  /** Resolves host names. Without it, the system does. */
  readonly lookup?: LookupFunction;
}

export class NativeClientTransport implements ClientTransport {
  readonly #options: NativeClientOptions;
  readonly #context: ClientCallContext;
  readonly #lookup: SharedLookup;

  constructor(options: NativeClientOptions) {
    this.#options = options;
    this.#lookup = new SharedLookup(options.lookup);
    this.#context = {
      deadlines: new Deadlines(options.clock),
      memory: options.memory,
      onFault: options.onFault,
    };
  }

  /** Throws if a certificate or the key cannot be parsed. */
  dial(options: DialOptions): Channel {
    return new NativeChannel(options, this.#options, this.#context, this.#lookup);
  }
}

class NativeChannel extends StatefulChannel implements ClientConnectionOwner {
  readonly #dial: DialOptions;
  readonly #options: NativeClientOptions;
  readonly #context: ClientCallContext;
  readonly #scheme: string;
  readonly #authority: string;
  readonly #addresses: AddressTurns;
  #templates: RequestTemplates;
  /** The attempt that will set `#connection`; null if no attempt is in progress. */
  #attempt: DialAttempt | null = null;
  #connection: ClientConnection | null = null;
  /** Connections that accept no new calls and still have open ones. */
  readonly #draining = new Set<ClientConnection>();
  #cancelTimer: CancelTimer = () => {};
  #backoffMs = reconnectMsMin;
  /** Connections in a row that were ready, and lost early without a response. */
  #earlyLosses = 0;
  #dialedAtMs = Number.NEGATIVE_INFINITY;
  #readyAtMs = 0;
  #keepaliveMs: number;

  constructor(
    dial: DialOptions,
    options: NativeClientOptions,
    context: ClientCallContext,
    lookup: SharedLookup,
  ) {
    super(options.onFault);
    this.#addresses = new AddressTurns(lookup);
    this.#dial = dial;
    this.#options = options;
    this.#context = context;
    this.#keepaliveMs = dial.keepaliveMs;
    this.#scheme = dial.tls === null ? 'http' : 'https';
    this.#authority = authorityOf(dial);
    this.#templates = new RequestTemplates(this.#scheme, this.#authority);
    this.#connect();
  }

  override get hasRoom(): boolean {
    return this.state === 'ready' && this.#connection?.hasRoom === true;
  }

  override get openStreams(): number {
    let open = this.#connection?.openStreams ?? 0;
    for (const connection of this.#draining) open += connection.openStreams;
    return open;
  }

  override unary(head: RequestHead, message: Uint8Array, responses: ResponseSink): CallHandle {
    const call = this.#open(head, responses, true);
    call?.sendOnly(message);
    return call ?? endedCall;
  }

  override stream(head: RequestHead, responses: ResponseSink): RequestSink {
    return this.#open(head, responses, false) ?? endedCall;
  }

  override close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.failure = '';
    this.#cancelTimer();
    this.#attempt?.cancel();
    this.#connection?.close(closedChannelText);
    for (const connection of this.#draining) connection.close(closedChannelText);
    this.notifyState();
  }

  #open(head: RequestHead, responses: ResponseSink, isUnary: boolean): ClientCall | null {
    const connection = this.#connection;
    if (this.state !== 'ready' || connection === null || !connection.canOpen) {
      responses.end(this.notReady());
      return null;
    }
    const template = this.#templates.find(head.path, head.metadata);
    if (template === null) {
      responses.end(invalidMetadata);
      return null;
    }
    const call = new ClientCall(connection.core, this.#context, head, responses, isUnary);
    const { timeoutMs } = head;
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      call.setDeadline(this.#options.clock.nowMs() + timeoutMs);
    }
    connection.open(call, template, timeoutField(timeoutMs), false);
    return call;
  }

  #connect(): void {
    this.#dialedAtMs = this.#options.clock.nowMs();
    this.#cancelTimer = this.#options.clock.after(handshakeMsMax, () => {
      this.#abandonConnection(handshakeTimeoutText);
    });
    let connection: ClientConnection | null = null;
    this.#attempt = dialSocket(this.#dial, this.#addresses.lookup, {
      onRead: (bytes) => connection?.receive(bytes),
      onSocket: (socket) => {
        this.#attempt = null;
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
        this.#attempt = null;
        this.#onLoss(reason, false);
      },
    });
  }

  /** Closes a connection that was not ready in time. */
  #abandonConnection(reason: string): void {
    this.#attempt?.cancel();
    this.#attempt = null;
    const connection = this.#connection;
    this.#connection = null;
    connection?.close(reason);
    this.#onLoss(reason, false);
  }

  onReady(connection: ClientConnection): void {
    if (connection !== this.#connection) return;
    this.#cancelTimer();
    this.#templates = new RequestTemplates(this.#scheme, this.#authority);
    this.#readyAtMs = this.#options.clock.nowMs();
    this.changeState('ready', '');
  }

  onRoom(connection: ClientConnection): void {
    if (connection === this.#connection && this.state === 'ready') this.notifyState();
  }

  onGoingAway(connection: ClientConnection, code: number, text: string): void {
    if (connection !== this.#connection) return;
    this.#connection = null;
    this.#draining.add(connection);
    // gRPC proposal A8: a client that pinged too often doubles its interval.
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.#keepaliveMs *= 2;
    const reason = text === '' ? 'the server is going away' : `the server is going away: ${text}`;
    this.#onLoss(reason, connection.hasResponded);
  }

  onClosed(connection: ClientConnection): void {
    this.#draining.delete(connection);
    if (connection !== this.#connection) return;
    this.#connection = null;
    this.#onLoss(connection.failure, connection.hasResponded);
  }

  #onLoss(reason: string, hasResponded: boolean): void {
    if (this.state === 'closed') return;
    this.#cancelTimer();
    const { clock, random } = this.#options;
    const wasReady = this.state === 'ready';
    const wasStable = wasReady && (hasResponded || clock.nowMs() - this.#readyAtMs >= stableMs);
    if (wasStable) {
      this.#backoffMs = reconnectMsMin;
      this.#earlyLosses = 0;
    } else this.#addresses.next();
    const isAtOnce = wasStable || (wasReady && this.#earlyLosses < earlyLossesMax);
    if (!wasStable && wasReady) this.#earlyLosses += 1;
    const reopenMs = Math.max(0, this.#dialedAtMs + reopenPauseMs - clock.nowMs());
    const delayMs = isAtOnce ? reopenMs : jittered(random, this.#backoffMs, reconnectJitter);
    if (!isAtOnce) {
      this.#backoffMs = Math.min(reconnectMsMax, Math.ceil(this.#backoffMs * reconnectGrowth));
    }
    this.#cancelTimer = clock.after(delayMs, () => {
      this.changeState('connecting', '');
      if (this.state === 'connecting') this.#connect();
    });
    this.changeState('failed', reason);
  }
}

function authorityOf({ address, tls }: DialOptions): string {
  if (tls?.serverName) return tls.serverName;
  return 'path' in address ? 'localhost' : hostPort(address.host, address.port);
}
