/**
 * The end of the pipeline: picks an endpoint for each call and sends it there, once. What cannot be sent ends at once
 * with origin `unsent`; waiting for an endpoint and trying another is resilience/'s part. Guarantee: nothing of a
 * client's metadata but what etcd understands leaves the process.
 */

import type { Call, Etcd, Message, Requests, Responses } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import type { EndpointConfig } from '../config/sections/endpoints.ts';
import type { LoginConfig } from '../config/sections/login.ts';
import type { Method } from '../etcd/methods.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import type { Metadata } from '../grpc/metadata.ts';
import { Code, status } from '../grpc/status.ts';
import { StreamAttempt, UnaryAttempt } from './attempt.ts';
import { type ChannelClass, channelClasses, Endpoint, type EndpointParts } from './endpoint.ts';
import { forwarded } from './forwarded-metadata.ts';
import { Login } from './login.ts';
import { Picker } from './picker.ts';
import { Prober } from './probe.ts';

export interface UpstreamOptions extends EndpointParts {
  readonly endpoints: readonly EndpointConfig[];
  /** Whether the `token` and `authorization` of clients of that listener go to etcd, in the place of our own. */
  readonly passesCredentials: (listener: string) => boolean;
  /** Who the proxy itself is at etcd; null: nobody. */
  readonly login: LoginConfig | null;
  /** etcd does not let the proxy log in, for the log. */
  readonly onLoginFailure: ((why: string) => void) | null;
}

/** One endpoint as operators see it. */
export interface EndpointSnapshot {
  readonly name: string;
  /** `ready`, `ejected`, `no leader`, or the state of its connection: `connecting`, `failed`, `closed`. */
  readonly state: string;
  /** Connected for ordinary calls, whatever else is known of it. */
  readonly isUp: boolean;
  /** The last failure in the system's or etcd's words; empty when there is none. */
  readonly lastError: string;
  /** The member's version; empty when it was not asked or did not answer. */
  readonly version: string;
  readonly openStreams: Readonly<Record<ChannelClass, number>>;
}

const noEndpoint = status(Code.UNAVAILABLE, 'there is no connection available', 'unsent');

export class Upstream implements Etcd<'store'> {
  readonly #options: UpstreamOptions;
  readonly #login: Login;
  readonly #probers = new Map<Endpoint, Prober>();
  /** No longer configured, and not closed yet. */
  readonly #leaving = new Set<Endpoint>();
  readonly #listeners = new Set<() => void>();
  #picker = new Picker([]);

  /** Dials every endpoint at once. Throws when a certificate, key or authority cannot be parsed. */
  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#login = new Login(options.login, {
      clock: options.clock,
      random: options.random,
      pick: () => this.#picker.next('unary'),
      endpoints: () => this.#endpoints,
      onToken: () => this.#tellAvailable(),
      onFailure: options.onLoginFailure,
    });
    this.#replace(options.endpoints);
  }

  /**
   * Other endpoints, certificates or credentials, from now on. Whoever calls an endpoint that is no longer named may finish
   * within the deadline of an ordinary call.
   */
  update(config: Pick<UpstreamOptions, 'endpoints' | 'login'>, graceMs: number): void {
    for (const removed of this.#replace(config.endpoints)) {
      this.#leaving.add(removed);
      this.#options.clock.after(graceMs, () => {
        this.#leaving.delete(removed);
        removed.close();
      });
    }
    this.#login.update(config.login);
  }

  /** Some endpoint takes calls of this method: each class of traffic has connections of its own. */
  isAvailable(method: Method): boolean {
    return this.#login.isReady && this.#picker.hasAny(classOf(method));
  }

  /** Calls `listener` whenever a class of traffic finds an endpoint again, until the returned function is called. */
  onAvailable(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  unary(call: Call, request: Message<'store'>, reply: Responses<'store'>): CallHandle {
    const endpoint = this.#picker.next('unary');
    const timeoutMs = this.#timeoutOf(call);
    if (endpoint === null || timeoutMs <= 0) return refused(endpoint, reply);
    const login = this.#loginFor(call);
    const metadata = metadataOf(call, login);
    const attempt = new UnaryAttempt(endpoint, call, login, metadata, timeoutMs, reply);
    return endpoint.channel('unary').unary(attempt, request, attempt);
  }

  stream(call: Call, reply: Responses<'store'>): Requests<'store'> {
    const channelClass = classOf(call.method);
    const endpoint = this.#picker.leastStreams(channelClass);
    const timeoutMs = this.#timeoutOf(call);
    if (endpoint === null || timeoutMs <= 0) return refused(endpoint, reply);
    const login = this.#loginFor(call);
    const metadata = metadataOf(call, login);
    const attempt = new StreamAttempt(endpoint, call, login, metadata, timeoutMs, reply);
    attempt.open(channelClass);
    attempt.attachStream(endpoint.channel(channelClass).stream(attempt, attempt));
    return attempt;
  }

  snapshot(): readonly EndpointSnapshot[] {
    return this.#endpoints.map(snapshotOf);
  }

  /** Ends every call and closes every connection. */
  close(): void {
    this.#listeners.clear();
    this.#login.close();
    for (const [endpoint, prober] of this.#probers) {
      prober.close();
      endpoint.close();
    }
    for (const endpoint of this.#leaving) endpoint.close();
    this.#picker = new Picker([]);
  }

  get #endpoints(): readonly Endpoint[] {
    return [...this.#probers.keys()];
  }

  /** Returns those that are no longer among them. They take no more calls, and are still open. */
  #replace(configs: readonly EndpointConfig[]): readonly Endpoint[] {
    const before = new Map(this.#probers);
    this.#probers.clear();
    for (const config of configs) {
      const known = [...before.keys()].find((endpoint) => endpoint.update(config));
      const endpoint = known ?? new Endpoint(config, this.#options);
      endpoint.onChange = () => this.#onChange();
      const prober =
        before.get(endpoint) ?? new Prober(endpoint, this.#options, () => this.#login.metadata);
      this.#probers.set(endpoint, prober);
      before.delete(endpoint);
    }
    for (const [removed, prober] of before) {
      removed.onChange = null;
      prober.close();
    }
    this.#onChange();
    return [...before.keys()];
  }

  #timeoutOf(call: Call): number {
    const { deadlineMs } = call;
    return deadlineMs === Number.POSITIVE_INFINITY
      ? deadlineMs
      : deadlineMs - this.#options.clock.nowMs();
  }

  /** Null where the credentials are the client's own. */
  #loginFor(call: Call): Login | null {
    return this.#options.passesCredentials(call.peer.listener) ? null : this.#login;
  }

  #onChange(): void {
    const before = this.#picker;
    const now = new Picker(this.#endpoints, before);
    this.#picker = now;
    for (const prober of this.#probers.values()) prober.onChange();
    if (now.hasAny('unary')) this.#login.onEndpoint();
    const hasGained = channelClasses.some((each) => now.hasAny(each) && !before.hasAny(each));
    if (hasGained) this.#tellAvailable();
  }

  #tellAvailable(): void {
    for (const listener of this.#listeners) listener();
  }
}

function metadataOf({ metadata }: Call, login: Login | null): Metadata {
  return login === null
    ? forwarded(metadata, true)
    : joined(forwarded(metadata, false), login.metadata);
}

/** Mostly one of them is empty, and the other can be the same object from call to call. */
function joined(selected: Metadata, own: Metadata): Metadata {
  if (own.length === 0) return selected;
  return selected.length === 0 ? own : [...selected, ...own];
}

function refused(endpoint: Endpoint | null, reply: Responses<'store'>): Requests<'store'> {
  reply.end(endpoint === null ? noEndpoint : refusal('deadline-passed'));
  return endedCall;
}

/** Unary lease methods are ordinary calls: only the stream of keepalives must not wait behind anything. */
function classOf(method: Method): ChannelClass {
  if (!method.responseStream) return 'unary';
  if (method.breaker === 'watch') return 'watch';
  return method.breaker === 'lease' ? 'lease' : 'unary';
}

function snapshotOf(endpoint: Endpoint): EndpointSnapshot {
  const failing = channelClasses.find((each) => !endpoint.isReady(each));
  const channel = endpoint.channel(failing ?? 'unary');
  const { health, accrual } = endpoint;
  return {
    name: endpoint.name,
    state: stateOf(channel.state, accrual.isOut, health.hasLeader),
    isUp: endpoint.isReady('unary'),
    lastError: channel.failure === '' ? health.failure : channel.failure,
    version: health.version,
    openStreams: {
      unary: endpoint.openStreams('unary'),
      watch: endpoint.openStreams('watch'),
      lease: endpoint.openStreams('lease'),
    },
  };
}

function stateOf(connection: string, isOut: boolean, hasLeader: boolean): string {
  if (connection !== 'ready') return connection;
  if (isOut) return 'ejected';
  return hasLeader ? 'ready' : 'no leader';
}
