/**
 * The end of the pipeline: picks an endpoint for each call and sends it there, once. What cannot be sent ends at once
 * with origin `unsent`; waiting for an endpoint and trying another is resilience/'s part. Guarantee: nothing of a
 * client's metadata but what etcd understands leaves the process.
 */
import type { EndpointConfig } from '../config/config.ts';
import type { Call, Etcd, Message, Reply, Requests } from '../etcd/api.ts';
import { refusal } from '../etcd/errors.ts';
import type { Method } from '../etcd/methods.ts';
import { type Ongoing, settled } from '../grpc/call.ts';
import { Code, status } from '../grpc/status.ts';
import type { RequestHead } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { AttemptRequests, StreamAttempt, UnaryAttempt } from './attempt.ts';
import { type ChannelClass, channelClasses, Endpoint, type EndpointParts } from './endpoint.ts';
import { type Forwarding, forwarding } from './forwarded-metadata.ts';
import { Picker } from './picker.ts';
import { Prober } from './probe.ts';

export interface UpstreamOptions extends EndpointParts {
  readonly endpoints: readonly EndpointConfig[];
  /** Clients' `token` and `authorization` go to etcd. False where the proxy has an identity of its own. */
  readonly passesCredentials: boolean;
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
  readonly #clock: Clock;
  readonly #forward: Forwarding;
  readonly #endpoints: readonly Endpoint[];
  readonly #probers: readonly Prober[];
  readonly #listeners = new Set<() => void>();
  #picker: Picker;

  /** Dials every endpoint at once. Throws when a certificate, key or authority cannot be parsed. */
  constructor(options: UpstreamOptions) {
    this.#clock = options.clock;
    this.#forward = forwarding(options.passesCredentials);
    this.#endpoints = options.endpoints.map((each) => new Endpoint(each, options));
    this.#probers = this.#endpoints.map((each) => new Prober(each, options.clock, options.random));
    this.#picker = new Picker(this.#endpoints);
    for (const endpoint of this.#endpoints) endpoint.onChange = () => this.#onChange();
    this.#onChange();
  }

  /** Some endpoint takes calls of this method: each class of traffic has connections of its own. */
  isAvailable(method: Method): boolean {
    return this.#picker.hasAny(classOf(method));
  }

  /** Calls `listener` whenever a class of traffic finds an endpoint again, until the returned function is called. */
  onAvailable(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  unary(call: Call, request: Message<'store'>, reply: Reply<'store'>): Ongoing {
    const endpoint = this.#picker.next('unary');
    const head = this.#head(call);
    if (endpoint === null || head.timeoutMs <= 0) return refused(endpoint, reply);
    const attempt = new UnaryAttempt(endpoint, head.timeoutMs, reply);
    return endpoint.channel('unary').unary(head, request, attempt);
  }

  stream(call: Call, reply: Reply<'store'>): Requests<'store'> {
    const channelClass = classOf(call.method);
    const endpoint = this.#picker.leastStreams(channelClass);
    const head = this.#head(call);
    if (endpoint === null || head.timeoutMs <= 0) return refused(endpoint, reply);
    const attempt = new StreamAttempt(endpoint, channelClass, head.timeoutMs, reply);
    const requests = endpoint.channel(channelClass).stream(head, attempt);
    return new AttemptRequests(attempt, requests);
  }

  snapshot(): readonly EndpointSnapshot[] {
    return this.#endpoints.map(snapshotOf);
  }

  /** Ends every call and closes every connection. */
  close(): void {
    this.#listeners.clear();
    for (const prober of this.#probers) prober.close();
    for (const endpoint of this.#endpoints) endpoint.close();
    this.#picker = new Picker([]);
  }

  #head(call: Call): RequestHead {
    return {
      path: call.method.path,
      metadata: this.#forward(call.metadata),
      timeoutMs: call.deadlineMs - this.#clock.nowMs(),
    };
  }

  #onChange(): void {
    const before = this.#picker;
    const now = new Picker(this.#endpoints, before);
    this.#picker = now;
    for (const prober of this.#probers) prober.onChange();
    const hasGained = channelClasses.some((each) => now.hasAny(each) && !before.hasAny(each));
    if (hasGained) for (const listener of this.#listeners) listener();
  }
}

function refused(endpoint: Endpoint | null, reply: Reply<'store'>): Requests<'store'> {
  reply.end(endpoint === null ? noEndpoint : refusal('deadline-passed'));
  return settled;
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
