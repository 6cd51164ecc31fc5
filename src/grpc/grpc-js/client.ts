/**
 * The client side of the grpc-js transport. A channel keeps one connection; the library reconnects with its own backoff. The
 * library's retries, service configurations, proxies from the environment and shared connections are disabled.
 *
 * It differs from the transport interface in one point: if a status other than OK arrives while the caller has paused
 * responses, grpc-js drops the messages that still wait. A watch that resumes after its last revision loses nothing.
 */
import {
  type ChannelOptions,
  connectivityState,
  Channel as GrpcChannel,
  Metadata as GrpcMetadata,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Clock } from '../../runtime/clock.ts';
import { type CallHandle, endedCall, type RequestSink, type ResponseSink } from '../call.ts';
import { reconnectMsMax, reconnectMsMin, userAgent } from '../connection-policy.ts';
import { StatefulChannel } from '../stateful-channel.ts';
import type {
  Channel,
  ChannelState,
  ClientTls,
  ClientTransport,
  DialOptions,
  RequestHead,
  TransportOptions,
} from '../transport.ts';
import { invalidMetadata } from '../transport-statuses.ts';
import { ClientCall, type ClientCallContext } from './client-call.ts';
import { DialCredentials, grpcTarget } from './dial.ts';
import { toGrpcMetadata } from './metadata.ts';

/** Receive window of a stream. With a larger window, a large range waits for fewer round trips. */
const streamWindowBytes = 1_048_576;
/** The longest timeout of a Node timer, about 25 days. */
const timerMsMax = 2_147_483_647;

const fixedOptions: ChannelOptions = {
  'grpc.primary_user_agent': userAgent,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  // Without these two, the library takes requests into a retry buffer before the peer's flow control applies.
  'grpc.retry_buffer_size': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  'grpc.service_config_disable_resolution': 1,
  // The library's default is 30 s, for which it would keep an address that has changed.
  'grpc.dns_min_time_between_resolutions_ms': 1_000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.client_idle_timeout_ms': timerMsMax,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': reconnectMsMin,
  'grpc.max_reconnect_backoff_ms': reconnectMsMax,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc-node.flow_control_window': streamWindowBytes,
};

export class GrpcJsClientTransport implements ClientTransport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Throws if a certificate or the key cannot be parsed. */
  dial(options: DialOptions): Channel {
    return new GrpcJsChannel(options, this.#options);
  }
}

class GrpcJsChannel extends StatefulChannel implements ClientCallContext {
  readonly #clock: Clock;
  readonly #onFault: (fault: unknown) => void;
  readonly #credentials: DialCredentials;
  readonly #channel: GrpcChannel;
  readonly #calls = new Set<ClientCall>();

  constructor(dial: DialOptions, { clock, onFault }: TransportOptions) {
    super(onFault);
    this.#clock = clock;
    this.#onFault = onFault;
    this.#credentials = new DialCredentials(dial, clock);
    this.#channel = new GrpcChannel(grpcTarget(dial.address), this.#credentials, {
      ...fixedOptions,
      ...authorityOption(dial.tls),
      'grpc.keepalive_time_ms': dial.keepaliveMs,
      'grpc.keepalive_timeout_ms': dial.keepaliveTimeoutMs,
    });
    this.#watchState();
  }

  /** The library does not report the peer's limit. It lets calls over it wait. */
  override get hasRoom(): boolean {
    return this.state === 'ready';
  }

  override get openStreams(): number {
    return this.#calls.size;
  }

  override unary(head: RequestHead, message: Uint8Array, responses: ResponseSink): CallHandle {
    const call = this.#open(head, responses, true);
    call.send(message);
    call.halfClose();
    return call;
  }

  override stream(head: RequestHead, responses: ResponseSink): RequestSink {
    return this.#open(head, responses, false);
  }

  override close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.failure = '';
    for (const call of this.#calls) call.endLost();
    this.#credentials.stopTimer();
    this.#channel.close();
    this.notifyState();
  }

  onClose(call: ClientCall): void {
    this.#calls.delete(call);
  }

  onFault(fault: unknown): void {
    this.#onFault(fault);
  }

  #open(head: RequestHead, responses: ResponseSink, isUnary: boolean): RequestSink {
    if (this.state !== 'ready') {
      responses.end(this.notReady());
      return endedCall;
    }
    let metadata: GrpcMetadata;
    try {
      metadata = toGrpcMetadata(head.metadata);
    } catch {
      responses.end(invalidMetadata);
      return endedCall;
    }
    const deadlineAt =
      head.timeoutMs > timerMsMax ? Infinity : this.#clock.epochMs() + head.timeoutMs;
    const grpcCall = this.#channel.createCall(head.path, deadlineAt, null, null, null);
    const call = new ClientCall(grpcCall, responses, isUnary, this);
    this.#calls.add(call);
    call.start(metadata);
    return call;
  }

  /** Applies the library's state, subscribes to the next change, and makes the library reconnect. */
  #watchState(): void {
    if (this.state === 'closed') return;
    const current = this.#channel.getConnectivityState(false);
    this.#channel.watchConnectivityState(current, Infinity, () => this.#watchState());
    switch (current) {
      case connectivityState.READY:
        this.#credentials.stopTimer();
        this.#become('ready', '');
        break;
      case connectivityState.TRANSIENT_FAILURE:
        this.#readFailure();
        break;
      case connectivityState.CONNECTING:
        this.#become('connecting', '');
        break;
      case connectivityState.IDLE:
      case connectivityState.SHUTDOWN:
        // Idle: not dialed yet, or the connection was lost. Dialing must not start within a callback of the library.
        if (this.state === 'ready') this.#become('failed', 'the connection was lost');
        queueMicrotask(() => {
          if (this.state !== 'closed') this.#channel.getConnectivityState(true);
        });
    }
  }

  /**
   * The library reports the reason of a failed connection only in the status of a call. This call ends at once, because it
   * has no connection to be sent on.
   */
  #readFailure(): void {
    const call = this.#channel.createCall('/', this.#clock.epochMs() + 1_000, null, null, null);
    call.start(new GrpcMetadata(), {
      onReceiveMetadata: () => {},
      onReceiveMessage: () => {},
      onReceiveStatus: (ended: StatusObject) => {
        if (this.state === 'closed' || this.state === 'ready') return;
        this.#become('failed', failureText(ended.details));
      },
    });
  }

  #become(state: ChannelState, failure: string): void {
    if (this.state !== state || this.failure !== failure) this.changeState(state, failure);
  }
}

/** A configured server name is also sent as `:authority`. */
function authorityOption(tls: ClientTls | null): ChannelOptions {
  const name = tls?.serverName ?? null;
  return name === null ? {} : { 'grpc.default_authority': name };
}

/** Extracts the system's message from "No connection established. Last error: Error: … (time). Resolution note: …". */
function failureText(details: string): string {
  const [, cause] = /Last error: (?:\w*Error: )?(.*?)\. Resolution note: /s.exec(details) ?? [];
  const text = cause === undefined || cause === 'null' ? details : cause;
  return text.replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, '');
}
