/**
 * The dialling half of the grpc-js transport. One channel is one connection, kept up by the library's own back-off; the
 * library's retries, service configurations, proxies from the environment and shared connections are all switched off.
 *
 * Where grpc-js does not let it keep the seam's promises: messages that still wait for a paused caller are dropped when a
 * failing status arrives. A watch that resumes from its last revision is not harmed by that.
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
} from '../transport.ts';
import { invalidMetadata } from '../transport-statuses.ts';
import { ClientCall, type ClientCallHooks } from './client-call.ts';
import { DialCredentials, grpcTarget } from './dial.ts';
import { toGrpcMetadata } from './metadata.ts';

/** What one stream may have in flight to us; a large range does not wait for the distance to the cluster so often. */
const streamWindowBytes = 1_048_576;
/** The longest that a timer of Node's can wait: never, for our purposes. */
const timerMsMax = 2_147_483_647;

const fixedOptions: ChannelOptions = {
  'grpc.primary_user_agent': userAgent,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  // Without these two the library takes requests into a retry buffer before it feels the peer's flow control.
  'grpc.retry_buffer_size': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.client_idle_timeout_ms': timerMsMax,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': reconnectMsMin,
  'grpc.max_reconnect_backoff_ms': reconnectMsMax,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc-node.flow_control_window': streamWindowBytes,
};

export interface GrpcJsClientOptions {
  readonly clock: Clock;
  /** A bug of ours was caught at the edge; its call has ended with Internal. */
  readonly onFault: (fault: unknown) => void;
}

export class GrpcJsClientTransport implements ClientTransport {
  readonly #options: GrpcJsClientOptions;

  constructor(options: GrpcJsClientOptions) {
    this.#options = options;
  }

  /** Throws when a certificate, a key or the authorities cannot be parsed. */
  dial(options: DialOptions): Channel {
    return new GrpcJsChannel(options, this.#options);
  }
}

class GrpcJsChannel extends StatefulChannel implements ClientCallHooks {
  readonly #clock: Clock;
  readonly #onFault: (fault: unknown) => void;
  readonly #credentials: DialCredentials;
  readonly #channel: GrpcChannel;
  readonly #calls = new Set<ClientCall>();

  constructor(dial: DialOptions, { clock, onFault }: GrpcJsClientOptions) {
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
    this.#follow();
  }

  override unary(head: RequestHead, message: Uint8Array, reply: ResponseSink): CallHandle {
    const call = this.#open(head, reply, true);
    call.send(message);
    call.halfClose();
    return call;
  }

  override stream(head: RequestHead, reply: ResponseSink): RequestSink {
    return this.#open(head, reply, false);
  }

  override close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.failure = '';
    for (const call of this.#calls) call.abandon();
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

  #open(head: RequestHead, reply: ResponseSink, isUnary: boolean): RequestSink {
    if (this.state !== 'ready') {
      reply.end(this.notReady());
      return endedCall;
    }
    let metadata: GrpcMetadata;
    try {
      metadata = toGrpcMetadata(head.metadata);
    } catch {
      reply.end(invalidMetadata);
      return endedCall;
    }
    const deadlineAt =
      head.timeoutMs > timerMsMax ? Infinity : this.#clock.epochMs() + head.timeoutMs;
    const grpcCall = this.#channel.createCall(head.path, deadlineAt, null, null, null);
    const call = new ClientCall(grpcCall, reply, isUnary, this);
    this.#calls.add(call);
    call.start(metadata);
    return call;
  }

  /** Reads the library's state, asks for the next change, and keeps it dialling. */
  #follow(): void {
    if (this.state === 'closed') return;
    const seen = this.#channel.getConnectivityState(false);
    this.#channel.watchConnectivityState(seen, Infinity, () => this.#follow());
    switch (seen) {
      case connectivityState.READY:
        this.#credentials.stopTimer();
        this.#become('ready', '');
        break;
      case connectivityState.TRANSIENT_FAILURE:
        this.#learnFailure();
        break;
      case connectivityState.CONNECTING:
        this.#become('connecting', '');
        break;
      case connectivityState.IDLE:
      case connectivityState.SHUTDOWN:
        // Idle: not dialled yet, or the connection was lost. Dialling is not begun from within the library's own turn.
        if (this.state === 'ready') this.#become('failed', 'the connection was lost');
        queueMicrotask(() => {
          if (this.state !== 'closed') this.#channel.getConnectivityState(true);
        });
    }
  }

  /**
   * The library tells why it has no connection only to calls, so it is asked with one, which it ends at once and on its
   * own: without a connection there is nothing it could send it on.
   */
  #learnFailure(): void {
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

/** Whoever is dialled by another name than its address is also addressed by it. */
function authorityOption(tls: ClientTls | null): ChannelOptions {
  const name = tls?.serverName ?? null;
  return name === null ? {} : { 'grpc.default_authority': name };
}

/** The system's words, out of "No connection established. Last error: Error: … (time). Resolution note: …". */
function failureText(details: string): string {
  const [, cause] = /Last error: (?:\w*Error: )?(.*?)\. Resolution note: /s.exec(details) ?? [];
  const text = cause === undefined || cause === 'null' ? details : cause;
  return text.replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, '');
}
