/**
 * A client of one etcd cluster for these commands: the upstream of the proxy without the layers above it, so that endpoints,
 * TLS, login, probes and failover are the same. Calls are promises, and a call that the cluster could not serve is repeated
 * until it succeeds or an outage has lasted for too long.
 *
 * Guarantee: only calls whose repetition has the same effect may be made through `call`. What a repeated write finds is up to
 * its caller, so every write here is a transaction that compares first.
 */
import { builtMessage, Call, type Message } from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import type { Config } from '../../config/config.ts';
import { type MethodName, method } from '../../etcd/methods.ts';
import { CollectedResponse } from '../../grpc/collected-response.ts';
import { MessageMemory } from '../../grpc/message-memory.ts';
import { noMetadata } from '../../grpc/metadata.ts';
import { Code, status } from '../../grpc/status.ts';
import type { Peer } from '../../grpc/transport.ts';
import { loadClientTransport } from '../../proxy/transports.ts';
import { Backoff } from '../../runtime/backoff.ts';
import { systemClock as clock } from '../../runtime/clock.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import { systemRandom as random } from '../../runtime/random.ts';
import { Upstream } from '../../upstream/upstream.ts';
import { CallFailure } from './call-failure.ts';

/** A response may have this length. A page of keys is read again with fewer of them if it is longer. */
export const responseBytesMax = 64 << 20;
const memoryBytesMax = 192 << 20;

/** etcd gives up after 7 s, a page takes a part of a second. Pings find out earlier about a dead connection. */
const attemptMsMax = 20_000;
const backoffLimits = { firstMs: 20, maxMs: 2_000 };

/** The proxy's own calls have no client. */
export const self: Peer = { listener: 'transfer', remote: '', certificate: null };

const notAvailable = status(Code.UNAVAILABLE, 'no endpoint is available', 'unsent');

export interface EtcdClientOptions {
  /** How long the cluster may be unavailable. `Infinity`: for as long as it takes. */
  readonly outageMsMax: number;
  /** Called for each call that is made again. */
  readonly onRetry?: (failure: CallFailure) => void;
}

export class EtcdClient implements Disposable {
  readonly upstream: Upstream;
  readonly #options: EtcdClientOptions;
  #loginFailure = '';

  private constructor(upstream: Upstream, options: EtcdClientOptions) {
    this.upstream = upstream;
    this.#options = options;
  }

  /** Dials. Does not wait for a connection. */
  static async connect(
    config: Pick<
      Config,
      'endpoints' | 'login' | 'keepaliveMs' | 'keepaliveTimeoutMs' | 'transport'
    >,
    options: EtcdClientOptions,
  ): Promise<EtcdClient> {
    const memory = new MessageMemory({
      bytesMax: memoryBytesMax,
      responseBytesMax,
      hasOneTenant: true,
      clock,
      refusal: refusal('message-memory'),
    });
    const makeClient = await loadClientTransport(config.transport);
    // A bug. Thrown outside of the call path, it ends the process.
    const onFault = (error: unknown) =>
      queueMicrotask(() => {
        throw error;
      });
    let client: EtcdClient | null = null;
    const upstream = new Upstream({
      ...{ clock, random, memory },
      ...{ endpoints: config.endpoints, login: config.login },
      ...{ keepaliveMs: config.keepaliveMs, keepaliveTimeoutMs: config.keepaliveTimeoutMs },
      passesCredentials: () => false,
      onLoginFailure: (why) => {
        if (client !== null) client.#loginFailure = why;
      },
      mayMoveStreams: () => true,
      onClusterReplaced: null,
      transport: makeClient({ clock, random, memory, onFault }),
    });
    client = new EtcdClient(upstream, options);
    return client;
  }

  /** Resolves with the response. Rejects with a `CallFailure` that a repetition would not change, or after an outage. */
  async call(name: MethodName, request: OwnedBytes): Promise<Uint8Array> {
    const backoff = new Backoff(random, backoffLimits);
    const giveUpAtMs = clock.nowMs() + this.#options.outageMsMax;
    for (;;) {
      await this.#untilAvailable(name, giveUpAtMs);
      const result = await this.attempt(name, request);
      if (!(result instanceof CallFailure)) return result;
      if (!result.isTransient || clock.nowMs() >= giveUpAtMs) throw result;
      this.#options.onRetry?.(result);
      await wait(backoff.nextMs());
    }
  }

  /** One attempt. */
  attempt(name: MethodName, request: OwnedBytes): Promise<Uint8Array | CallFailure> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array | CallFailure>();
    const called = method(name);
    const deadlineMs = clock.nowMs() + attemptMsMax;
    const call = new Call({ method: called, metadata: noMetadata, deadlineMs, peer: self });
    const response = new CollectedResponse((ended, message) => {
      const isOk = ended.code === Code.OK && message !== null;
      resolve(isOk ? message : new CallFailure(called.rpc, ended));
    });
    const message: Message<'store'> = builtMessage<'store'>(request);
    this.upstream.unary(call, message, response);
    return promise;
  }

  /** Resolves when calls of this method can be sent. Rejects with the reason if that takes too long. */
  async available(name: MethodName): Promise<void> {
    await this.#untilAvailable(name, clock.nowMs() + this.#options.outageMsMax);
  }

  /** The versions that the endpoints have reported; empty ones for those that have not. */
  get versions(): readonly string[] {
    return this.upstream.snapshot().map(({ version }) => version);
  }

  [Symbol.dispose](): void {
    this.upstream.close();
  }

  async #untilAvailable(name: MethodName, giveUpAtMs: number): Promise<void> {
    const called = method(name);
    while (!this.upstream.isAvailable(called)) {
      const leftMs = giveUpAtMs - clock.nowMs();
      if (leftMs <= 0 || this.#isRejected) throw this.#unavailable(called.rpc);
      await this.#change(Math.min(leftMs, pollMs));
    }
  }

  /** Resolves when endpoints may be available, or after `withinMs`. */
  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        stop();
        cancelTimer();
        resolve();
      };
      const stop = this.upstream.onAvailable(done);
      const cancelTimer = clock.after(withinMs, done);
    });
  }

  /** etcd has rejected the user or the password. Waiting does not help, unless the command may wait forever. */
  get #isRejected(): boolean {
    const isFinal = this.#loginFailure.includes('authentication failed');
    return isFinal && this.#options.outageMsMax !== Number.POSITIVE_INFINITY;
  }

  #unavailable(rpc: string): CallFailure {
    const reasons = this.upstream
      .snapshot()
      .filter(({ lastError }) => lastError !== '')
      .map(({ name, lastError }) => `${name}: ${lastError}`);
    if (this.#loginFailure !== '') reasons.unshift(`cannot log in: ${this.#loginFailure}`);
    const text = [notAvailable.text, ...reasons].join('; ');
    return new CallFailure(rpc, { ...notAvailable, text });
  }
}

/** Some changes, such as the end of a login's backoff, are not notified. */
const pollMs = 250;

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
