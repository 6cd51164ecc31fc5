/**
 * The proxy's own login at etcd. It requests a token, which is sent with every call. If etcd rejects the token, it requests a
 * new one, once for all rejected calls. Without a token no call is sent: the upstream counts as unavailable, and calls wait
 * in the hold. Without a configured user the login is always ready and adds nothing.
 *
 * no token ─endpoint available→ requesting ─token→ ready ─etcd rejects the token→ requesting
 * requesting ─etcd rejects the user or does not respond→ backoff ─time expires→ requesting
 */
import type { Call } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import type { LoginConfig } from '../config/sections/login.ts';
import { method } from '../etcd/methods.ts';
import { classifyForToken } from '../etcd/outcomes.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import { type Metadata, metadataValue, noMetadata } from '../grpc/metadata.ts';
import { Code, type Status, status } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { Endpoint } from './endpoint.ts';

const { path: authenticatePath } = method('etcdserverpb.Auth/Authenticate');
const { path: rangePath } = method('etcdserverpb.KV/Range');

const timeoutMs = 5_000;
/** A member that has not applied a login for this long is not used by calls either. */
const lagMsMax = 10_000;
const backoffLimits = { firstMs: 500, maxMs: 30_000 };
/** Each member expires a simple token that it has not received for 300 s (etcd server/auth/simple_token.go). */
const refreshEveryMs = 60_000;

/**
 * Refreshes a token. RangeRequest of one key, serializable and count_only: it returns no key, and all releases of etcd check
 * its token.
 */
const refreshRequest = new Writer().bytes(1, Buffer.of(0)).bool(7, true).bool(9, true).finish();

export interface LoginParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Returns an endpoint that takes calls, or null. */
  readonly pick: () => Endpoint | null;
  readonly endpoints: () => readonly Endpoint[];
  /** Called when calls may be sent with a new token. */
  readonly onToken: () => void;
  /** Called for the log if etcd rejects the user or does not respond. */
  readonly onFailure: ((why: string) => void) | null;
}

/** A watch stream that was opened with a token. It may remain open for longer than the token is valid. */
export interface OpenedWithToken {
  readonly metadata: Metadata;
  /** Ends the stream, so that its client opens a new one with the permissions of another user. */
  abort(status: Status): void;
}

export class Login {
  readonly #parts: LoginParts;
  #config: LoginConfig | null;
  /** The configuration that `#metadata` was requested with. Differs from `#config` until a changed user has a token. */
  #tokenConfig: LoginConfig | null;
  #isReady: boolean;
  #metadata: Metadata = noMetadata;
  #tokenAtMs = Number.NEGATIVE_INFINITY;
  #isRequesting = false;
  readonly #backoff: Backoff;
  #cancelBackoff: CancelTimer = () => {};
  #cancelRefresh: CancelTimer = () => {};
  #isClosed = false;
  readonly #streams = new Set<OpenedWithToken>();
  /** Calls that were sent again because of a stale token. No call is sent again twice. */
  readonly #resent = new WeakSet<Call>();

  constructor(config: LoginConfig | null, parts: LoginParts) {
    this.#config = config;
    this.#tokenConfig = null;
    this.#parts = parts;
    this.#backoff = new Backoff(parts.random, backoffLimits);
    this.#isReady = config === null;
  }

  /** Whether calls may be sent. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether the proxy authenticates as a user. If it does not, clients receive etcd's rejections. */
  get hasUser(): boolean {
    return this.#config !== null;
  }

  /** Sent with every call: the token, or nothing. The same object as long as the token is the same. */
  get metadata(): Metadata {
    return this.#metadata;
  }

  /** Applies another user or password. Until they have a token, calls are sent with the previous one. */
  update(config: LoginConfig | null): void {
    const { user, password } = this.#config ?? {};
    if (user === config?.user && password === config?.password) return;
    this.#config = config;
    this.#cancelRefresh();
    if (config === null) this.#useToken(noMetadata);
    else this.#requestToken();
  }

  /** Reports that an endpoint takes calls. */
  onEndpoint(): void {
    if (!this.#isReady || this.#tokenConfig !== this.#config) this.#requestToken();
  }

  /**
   * Takes the status of a call that was sent with `metadata`, and returns the status to use. If etcd rejected the token, the
   * proxy logs in again, and the call counts as not sent, once per call. etcd checks tokens before it applies a request.
   */
  checkEnd(call: Call, metadata: Metadata, ended: Status): Status {
    if (ended.code === Code.OK || this.#config === null || classifyForToken(ended) !== 'stale')
      return ended;
    this.#onTokenRejected(metadata);
    if (this.#resent.has(call)) return refusal('upstream-unauthenticated');
    this.#resent.add(call);
    return status(Code.UNAVAILABLE, ended.text, 'unsent');
  }

  /**
   * Takes the end of a probe that was sent with `metadata`. Probes also find a stale token while clients only watch. A member that
   * lags behind rejects a new token until it has applied the login, so that is not counted.
   */
  checkProbe(metadata: Metadata, ended: Status): void {
    if (ended.code === Code.OK || classifyForToken(ended) !== 'stale') return;
    if (this.#parts.clock.nowMs() - this.#tokenAtMs >= lagMsMax) this.#onTokenRejected(metadata);
  }

  /**
   * Finds out whether a member still accepts the token in `metadata`. If it does not, the proxy logs in again. `unknown`: the member
   * has not responded.
   */
  check(
    endpoint: Endpoint,
    metadata: Metadata,
    onVerdict: (verdict: 'valid' | 'stale' | 'unknown') => void,
  ): void {
    const onEnd = (ended: Status) => {
      const isStale = classifyForToken(ended) === 'stale';
      if (isStale) this.#onTokenRejected(metadata);
      onVerdict(isStale ? 'stale' : ended.origin === 'peer' ? 'valid' : 'unknown');
    };
    const head = { path: rangePath, metadata, timeoutMs };
    endpoint.channel('unary').unary(head, refreshRequest, new CollectedResponse(onEnd));
  }

  streamOpened(stream: OpenedWithToken): void {
    this.#streams.add(stream);
  }

  streamClosed(stream: OpenedWithToken): void {
    this.#streams.delete(stream);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelBackoff();
    this.#cancelRefresh();
  }

  /** `config` is the configuration that the token was requested with. */
  #onResponse(config: LoginConfig, ended: Status, response: Uint8Array | null): void {
    this.#isRequesting = false;
    if (this.#isClosed || this.#config === null) return;
    if (config !== this.#config) {
      // A reload has changed the user or the password meanwhile.
      this.#requestToken();
      return;
    }
    const token = response === null ? '' : tokenIn(response);
    if (ended.code === Code.OK && token !== '') this.#useToken(['token', token]);
    // Without authentication etcd does not need a token. After it is enabled, etcd rejects calls without one.
    else if (classifyForToken(ended) === 'unneeded') this.#useToken(noMetadata);
    else {
      this.#parts.onFailure?.(ended.code === Code.OK ? 'the response has no token' : ended.text);
      const delayMs = this.#backoff.nextMs();
      this.#cancelBackoff = this.#parts.clock.after(delayMs, () => this.#requestToken());
    }
  }

  #onTokenRejected(metadata: Metadata): void {
    // Without a user there is nothing to log in with. An older token may be stale while the current one is valid.
    if (this.#config === null || !this.#isReady) return;
    if (!hasSameToken(metadata, this.#metadata)) return;
    this.#isReady = false;
    this.#requestToken();
  }

  #requestToken(): void {
    if (this.#isRequesting || this.#isClosed || this.#config === null) return;
    this.#cancelBackoff();
    const endpoint = this.#parts.pick();
    // `onEndpoint` requests the token as soon as there is one.
    if (endpoint === null) return;
    const config = this.#config;
    const { user, password } = config;
    this.#isRequesting = true;
    const head = { path: authenticatePath, metadata: noMetadata, timeoutMs };
    const request = new Writer().string(1, user).string(2, password).finish();
    const response = new CollectedResponse((ended, message) =>
      this.#onResponse(config, ended, message),
    );
    endpoint.channel('unary').unary(head, request, response);
  }

  /** `metadata` has the token of `#config`. */
  #useToken(metadata: Metadata): void {
    const isOtherUser = this.#tokenConfig?.user !== this.#config?.user;
    this.#metadata = metadata;
    this.#tokenAtMs = this.#parts.clock.nowMs();
    this.#tokenConfig = this.#config;
    this.#isReady = true;
    this.#backoff.reset();
    this.#cancelRefresh();
    if (metadata.length > 0) this.#scheduleRefresh();
    if (isOtherUser) {
      for (const stream of [...this.#streams]) {
        if (!hasSameToken(stream.metadata, metadata)) stream.abort(userReplaced);
      }
    }
    this.#parts.onToken();
  }

  #scheduleRefresh(): void {
    this.#cancelRefresh = this.#parts.clock.after(refreshEveryMs, () => {
      const metadata = this.#metadata;
      for (const endpoint of this.#parts.endpoints()) {
        if (endpoint.isReady('unary')) this.check(endpoint, metadata, ignore);
      }
      this.#scheduleRefresh();
    });
  }
}

const userReplaced = status(Code.UNAVAILABLE, 'the user of this stream was replaced', 'lost');

function ignore(): void {}

function hasSameToken(metadata: Metadata, token: Metadata): boolean {
  return metadataValue(metadata, 'token') === metadataValue(token, 'token');
}

/** AuthenticateResponse.token. Returns an empty string if the response has none. */
function tokenIn(response: Uint8Array): string {
  const reader = new Reader(response);
  let token = '';
  while (reader.next()) {
    if (reader.field === 2) token = Buffer.from(reader.bytes()).toString('latin1');
  }
  return reader.malformed ? '' : token;
}
