/**
 * The end of the pipeline: selects an endpoint for each call and sends the call there, once. A call that cannot be sent ends
 * immediately with origin `unsent`; waiting and retries are part of guard/. Guarantee: of a client's metadata only what etcd
 * understands leaves the process.
 */
import type { Call, Etcd, Message, Requests, Responses } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import type { EndpointConfig } from '../config/sections/endpoints.ts';
import type { LoginConfig } from '../config/sections/login.ts';
import type { Method } from '../etcd/methods.ts';
import { memberIdOf, revisionOf } from '../etcd/response-header.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import type { MessageMemory } from '../grpc/message-memory.ts';
import { Code, status } from '../grpc/status.ts';
import type { ByteAccount } from '../runtime/byte-budget.ts';
import { StatePart } from '../tenant/state.ts';
import { type AttemptHost, StreamAttempt, UnaryAttempt } from './attempt.ts';
import { ClusterIdentity } from './cluster-identity.ts';
import { type ChannelClass, channelClasses, Endpoint, type EndpointParts } from './endpoint.ts';
import { type EndpointSnapshot, endpointSnapshot } from './endpoint-snapshot.ts';
import { Login } from './login.ts';
import { Picker } from './picker.ts';
import { Prober } from './probe.ts';
import { Rebalancer } from './rebalance.ts';

export interface UpstreamOptions extends EndpointParts {
  readonly endpoints: readonly EndpointConfig[];
  /** Whether etcd receives the `token` and `authorization` of clients of this listener instead of the proxy's token. */
  readonly passesCredentials: (listener: string) => boolean;
  /** The etcd user that the proxy authenticates as, or null. */
  readonly login: LoginConfig | null;
  /** Where large responses count. */
  readonly memory: MessageMemory;
  /** Called for the log if the proxy cannot log in to etcd. */
  readonly onLoginFailure: ((why: string) => void) | null;
  /** Whether the proxy may move its own streams to other endpoints now. */
  readonly mayMoveStreams: () => boolean;
  /** Called when the endpoints have become those of another cluster. What is remembered of the previous one is wrong. */
  readonly onClusterReplaced: (() => void) | null;
}

const noEndpoint = status(Code.UNAVAILABLE, 'no endpoint is available', 'unsent');

export class Upstream implements Etcd<'store'>, AttemptHost {
  readonly #options: UpstreamOptions;
  readonly #login: Login;
  readonly #probers = new Map<Endpoint, Prober>();
  /** Endpoints that a reload has removed. They are closed after a grace period. */
  readonly #removed = new Set<Endpoint>();
  readonly #listeners = new Set<() => void>();
  readonly #cluster = new ClusterIdentity();
  readonly #accounts: StatePart<ByteAccount>;
  readonly #rebalancer: Rebalancer;
  #picker = new Picker([]);

  /** Dials the `unary` connection of all endpoints immediately. Throws if a certificate, key or CA certificate cannot be parsed. */
  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#accounts = new StatePart(() => options.memory.tenantAccount());
    this.#login = new Login(options.login, {
      clock: options.clock,
      random: options.random,
      pick: () => this.#picker.next('unary'),
      endpoints: () => this.#endpoints,
      onToken: () => this.#notifyAvailable(),
      onFailure: options.onLoginFailure,
    });
    this.#rebalancer = new Rebalancer({
      clock: options.clock,
      endpoints: () => this.#picker.preferred('watch'),
      dial: (endpoint) => endpoint.channels('watch').dial(),
      mayMove: options.mayMoveStreams,
    });
    this.#replaceEndpoints(options.endpoints);
  }

  /**
   * Applies other endpoints, certificates or credentials. Calls in flight to a removed endpoint may finish within `graceMs`.
   */
  update(config: Pick<UpstreamOptions, 'endpoints' | 'login'>, graceMs: number): void {
    for (const removed of this.#replaceEndpoints(config.endpoints)) {
      this.#removed.add(removed);
      this.#options.clock.after(graceMs, () => {
        this.#removed.delete(removed);
        removed.close();
      });
    }
    this.#login.update(config.login);
  }

  /**
   * The content of the newest ResponseHeader that probes have received from the cluster, so at most a few seconds old; empty before
   * the first one.
   */
  get header(): Uint8Array {
    let newest: Uint8Array = new Uint8Array(0);
    for (const endpoint of this.#endpoints) {
      const { header } = endpoint.health;
      if (this.#cluster.includes(endpoint) && revisionOf(header) > revisionOf(newest)) {
        newest = header;
      }
    }
    return newest;
  }

  /**
   * Whether a call of this method should be sent now: an endpoint can take it, or it makes the upstream dial one. In that case the
   * call ends unsent, and calls are not available until the connection is ready.
   */
  isAvailable(method: Method): boolean {
    return this.#login.isReady && this.#takes(this.#picker, classOf(method));
  }

  /** Whether calls of this method are not available only because all connections have as many streams as the members permit. */
  isFull(method: Method): boolean {
    const channelClass = classOf(method);
    const members = this.#endpoints.filter((endpoint) => this.#cluster.includes(endpoint));
    return (
      !this.#picker.hasAny(channelClass) &&
      members.some((endpoint) => endpoint.channels(channelClass).isFull)
    );
  }

  /** Whether calls of this method only wait for a connection that is being dialed. */
  isDialing(method: Method): boolean {
    return this.#login.isReady && this.#picker.isDialing(classOf(method));
  }

  /** Calls `listener` whenever a channel class has an endpoint again, until the returned function is called. */
  onAvailable(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  unary(call: Call, request: Message<'store'>, responses: Responses<'store'>): CallHandle {
    const endpoint = this.#picker.next('unary');
    const timeoutMs = this.#timeoutOf(call);
    if (endpoint === null || timeoutMs <= 0) return reject(endpoint, responses);
    const attempt = new UnaryAttempt(this, endpoint, call, timeoutMs, responses);
    attempt.begin();
    const handle = endpoint.channel('unary').unary(attempt, request, attempt);
    attempt.attach(handle);
    return attempt;
  }

  stream(call: Call, responses: Responses<'store'>): Requests<'store'> {
    const channelClass = classOf(call.method);
    const endpoint = this.#endpointForStream(channelClass);
    const timeoutMs = this.#timeoutOf(call);
    if (endpoint === null || timeoutMs <= 0) return reject(endpoint, responses);
    const attempt = new StreamAttempt(this, endpoint, call, timeoutMs, responses);
    attempt.open(channelClass, this.#rebalancer);
    attempt.attachStream(endpoint.channel(channelClass).stream(attempt, attempt));
    return attempt;
  }

  /** Where the responses of a call count. */
  accountOf({ peer, tenant }: Call): ByteAccount {
    const { memory } = this.#options;
    return tenant === null
      ? memory.responses
      : memory.accountOf(peer, tenant.state.get(this.#accounts));
  }

  /** Null if the client's own credentials are sent. */
  loginFor(call: Call): Login | null {
    return this.#options.passesCredentials(call.peer.listener) ? null : this.#login;
  }

  /** 0n until an endpoint has reported it. */
  get clusterId(): bigint {
    return this.#cluster.id;
  }

  /** The endpoints that serve calls, by the ID of their member. */
  get namesByMember(): ReadonlyMap<bigint, string> {
    return this.#namesByMember(
      (endpoint) => endpoint.isReady('unary') && endpoint.health.failure === '',
    );
  }

  /** The endpoints that have served calls of this cluster, by the ID of their member. Some may be down at present. */
  get knownNamesByMember(): ReadonlyMap<bigint, string> {
    return this.#namesByMember(() => true);
  }

  /** Whether the version of every endpoint is known and passes `test`. */
  everyVersion(test: (version: string) => boolean): boolean {
    return this.#endpoints.every(({ health }) => test(health.version));
  }

  snapshot(): readonly EndpointSnapshot[] {
    return this.#endpoints.map((endpoint) =>
      endpointSnapshot(endpoint, this.#cluster.includes(endpoint)),
    );
  }

  /**
   * Ejects an endpoint until it is called with false. As with other ejections, its open streams continue, and it receives calls if no
   * other endpoint is available. Returns false if no endpoint has this name.
   */
  forceEjection(name: string, isEjected: boolean): boolean {
    const endpoint = this.#endpoints.find((each) => each.name === name);
    endpoint?.forceOut(isEjected);
    return endpoint !== undefined;
  }

  /** Whether the endpoint receives unary calls at present. */
  isCandidate(name: string): boolean {
    return this.#endpoints.some((each) => each.name === name && this.#picker.has(each, 'unary'));
  }

  /** Ends every call and closes every connection. */
  close(): void {
    this.#listeners.clear();
    this.#login.close();
    this.#rebalancer.close();
    for (const [endpoint, prober] of this.#probers) {
      prober.close();
      endpoint.close();
    }
    for (const endpoint of this.#removed) endpoint.close();
    this.#picker = new Picker([]);
  }

  #namesByMember(accepts: (endpoint: Endpoint) => boolean): ReadonlyMap<bigint, string> {
    const reported = this.#endpoints.filter(
      (endpoint) =>
        endpoint.health.header.length > 0 && this.#cluster.includes(endpoint) && accepts(endpoint),
    );
    return new Map(reported.map(({ health, name }) => [memberIdOf(health.header), name]));
  }

  /** Streams use connected endpoints. Others are dialed meanwhile, as long as each connected one has a stream. */
  #endpointForStream(channelClass: ChannelClass): Endpoint | null {
    const found = this.#picker.leastStreams(channelClass);
    const isFree = found?.openStreams(channelClass) === 0;
    const dialable = isFree ? [] : this.#picker.dialable(channelClass);
    if (dialable.length === 0) return found;
    this.#dialOne(dialable, channelClass);
    return this.#picker.leastStreams(channelClass);
  }

  /** At random, so that the first connections of many proxies are to different members. */
  #dialOne(among: readonly Endpoint[], channelClass: ChannelClass): void {
    const index = this.#options.random.integer(0, among.length);
    among[index]?.channels(channelClass).dial();
  }

  #takes(picker: Picker, channelClass: ChannelClass): boolean {
    return picker.hasAny(channelClass) || picker.dialable(channelClass).length > 0;
  }

  get #endpoints(): readonly Endpoint[] {
    return [...this.#probers.keys()];
  }

  /** Returns the removed endpoints. They take no more calls and are still open. */
  #replaceEndpoints(configs: readonly EndpointConfig[]): readonly Endpoint[] {
    const before = new Map(this.#probers);
    this.#probers.clear();
    for (const config of configs) {
      const known = [...before.keys()].find((endpoint) => endpoint.update(config));
      const endpoint = known ?? new Endpoint(config, this.#options);
      endpoint.onChange = () => this.#onChange();
      endpoint.isReplaceable = () => !this.#picker.has(endpoint, 'unary');
      const prober = before.get(endpoint) ?? new Prober(endpoint, this.#options, this.#login);
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

  /** Whether watch streams prefer other endpoints, which respond. */
  #hasOther(endpoint: Endpoint): boolean {
    const preferred = this.#picker.preferred('watch');
    return !preferred.includes(endpoint) && preferred.some(({ isResponsive }) => isResponsive);
  }

  #timeoutOf(call: Call): number {
    const { deadlineMs } = call;
    return deadlineMs === Number.POSITIVE_INFINITY
      ? deadlineMs
      : deadlineMs - this.#options.clock.nowMs();
  }

  #onChange(): void {
    const isReplaced = this.#cluster.update(this.#endpoints);
    const before = this.#picker;
    const members = this.#endpoints.filter((endpoint) => this.#cluster.includes(endpoint));
    const now = new Picker(members, before);
    this.#picker = now;
    this.#rebalancer.onChange();
    if (isReplaced) this.#options.onClusterReplaced?.();
    for (const prober of this.#probers.values()) prober.onChange();
    if (now.hasAny('unary')) this.#login.onEndpoint();
    const hasGained = channelClasses.some(
      (each) => this.#takes(now, each) && !this.#takes(before, each),
    );
    if (hasGained) this.#notifyAvailable();
    for (const endpoint of members) {
      if (endpoint.health.failure !== '' && this.#hasOther(endpoint))
        this.#rebalancer.leave(endpoint);
    }
  }

  #notifyAvailable(): void {
    for (const listener of this.#listeners) listener();
  }
}

function reject(endpoint: Endpoint | null, responses: Responses<'store'>): Requests<'store'> {
  responses.end(endpoint === null ? noEndpoint : refusal('deadline-passed'));
  return endedCall;
}

/** Unary lease methods use the `unary` channel: only the keepalive stream must not be delayed. */
function classOf(method: Method): ChannelClass {
  if (!method.responseStream) return 'unary';
  if (method.breaker === 'watch') return 'watch';
  return method.breaker === 'lease' ? 'lease' : 'unary';
}
