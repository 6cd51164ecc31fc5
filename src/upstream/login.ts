/**
 * The proxy's own user at etcd: logs in, hands out the token that goes with every call, and logs in again when etcd no
 * longer takes it, once for all calls that noticed. While it has no token, no call is sent: the upstream counts as not
 * available, and what can wait waits in the hold. Without a user it is always ready and has nothing to add.
 *
 * none ─endpoint there→ asking ─token→ ready ─etcd refuses the token→ asking;  asking ─refused→ waiting ─pause→ asking
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
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';
import type { Endpoint } from './endpoint.ts';

const { path: authenticatePath } = method('etcdserverpb.Auth/Authenticate');
const { path: rangePath } = method('etcdserverpb.KV/Range');

const timeoutMs = 5_000;
const pauseMsMin = 500;
const pauseMsMax = 30_000;
const pauseSpread = 0.2;
/** Simple tokens end when they were not used for 300 s (etcd server/auth/simple_token.go), on each member by itself. */
const useEveryMs = 60_000;

/** A read that shows nothing to anybody, and that every release looks at the token for: RangeRequest, one key, counted. */
const use = new Writer().bytes(1, Buffer.of(0)).bool(7, true).bool(9, true).finish();

export interface LoginParts {
  readonly clock: Clock;
  readonly random: Random;
  /** One that takes calls, or null. */
  readonly pick: () => Endpoint | null;
  readonly endpoints: () => readonly Endpoint[];
  /** There is a new token, so calls may be sent again. */
  readonly onToken: () => void;
  /** For the log: etcd refused the user, or did not answer. */
  readonly onFailure: ((why: string) => void) | null;
}

/** A watch stream that was opened with a token. etcd looks at it again with every create. */
export interface OpenedWithToken {
  readonly metadata: Metadata;
  /** Ends the stream, so that its client opens another one. */
  abort(status: Status): void;
}

export class Login {
  readonly #parts: LoginParts;
  #config: LoginConfig | null;
  #isReady: boolean;
  #metadata: Metadata = noMetadata;
  #isAsking = false;
  #pauseMs = pauseMsMin;
  #cancelPause: CancelTimer = () => {};
  #cancelUse: CancelTimer = () => {};
  #isClosed = false;
  readonly #streams = new Set<OpenedWithToken>();
  /** Calls that were repeated for this reason: none is twice. */
  readonly #repeated = new WeakSet<Call>();

  constructor(config: LoginConfig | null, parts: LoginParts) {
    this.#config = config;
    this.#parts = parts;
    this.#isReady = config === null;
  }

  /** Calls may be sent. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** What goes with every call: the token, or nothing. The same object as long as the token is the same. */
  get metadata(): Metadata {
    return this.#metadata;
  }

  /** Another user or password, from now on. */
  update(config: LoginConfig | null): void {
    const { user, password } = this.#config ?? {};
    if (user === config?.user && password === config?.password) return;
    this.#config = config;
    this.#cancelUse();
    if (config === null) this.#become(noMetadata);
    else this.#ask();
  }

  /** An endpoint takes calls. */
  onEndpoint(): void {
    if (!this.#isReady) this.#ask();
  }

  /**
   * How a call ended that was sent with `metadata`. Where etcd refused it for its token, the proxy logs in again and the
   * call counts as not sent, which it may be once: etcd refuses before it applies.
   */
  judge(call: Call, metadata: Metadata, ended: Status): Status {
    if (ended.code === Code.OK || this.#config === null || classifyForToken(ended) !== 'stale')
      return ended;
    this.#refused(metadata);
    if (this.#repeated.has(call)) return refusal('upstream-unauthenticated');
    this.#repeated.add(call);
    return status(Code.UNAVAILABLE, ended.text, 'unsent');
  }

  streamOpened(stream: OpenedWithToken): void {
    this.#streams.add(stream);
  }

  streamClosed(stream: OpenedWithToken): void {
    this.#streams.delete(stream);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelPause();
    this.#cancelUse();
  }

  #onResponse(ended: Status, response: Uint8Array | null): void {
    this.#isAsking = false;
    if (this.#isClosed || this.#config === null) return;
    const token = response === null ? '' : tokenIn(response);
    if (ended.code === Code.OK && token !== '') this.#become(['token', token]);
    // As every client of etcd does: then nobody asks for a token. Should that change, etcd will say so.
    else if (classifyForToken(ended) === 'unneeded') this.#become(noMetadata);
    else {
      this.#parts.onFailure?.(ended.code === Code.OK ? 'it answered without a token' : ended.text);
      const delayMs = jittered(this.#parts.random, this.#pauseMs, pauseSpread);
      this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2);
      this.#cancelPause = this.#parts.clock.after(delayMs, () => this.#ask());
    }
  }

  #refused(metadata: Metadata): void {
    // Whoever was sent with an older token says nothing about the one that there is now.
    if (!this.#isReady || !carries(metadata, this.#metadata)) return;
    this.#isReady = false;
    this.#ask();
  }

  #ask(): void {
    if (this.#isAsking || this.#isClosed || this.#config === null) return;
    this.#cancelPause();
    const endpoint = this.#parts.pick();
    // Asked again as soon as there is one.
    if (endpoint === null) return;
    const { user, password } = this.#config;
    this.#isAsking = true;
    const head = { path: authenticatePath, metadata: noMetadata, timeoutMs };
    const request = new Writer().string(1, user).string(2, password).finish();
    const response = new CollectedResponse((ended, message) => this.#onResponse(ended, message));
    endpoint.channel('unary').unary(head, request, response);
  }

  #become(metadata: Metadata): void {
    this.#metadata = metadata;
    this.#isReady = true;
    this.#pauseMs = pauseMsMin;
    this.#cancelUse();
    if (metadata.length > 0) this.#useLater();
    for (const stream of [...this.#streams]) {
      if (!carries(stream.metadata, metadata)) stream.abort(outdated);
    }
    this.#parts.onToken();
  }

  #useLater(): void {
    this.#cancelUse = this.#parts.clock.after(useEveryMs, () => {
      const metadata = this.#metadata;
      const head = { path: rangePath, metadata, timeoutMs };
      const onEnd = (ended: Status) => {
        if (classifyForToken(ended) === 'stale') this.#refused(metadata);
      };
      for (const endpoint of this.#parts.endpoints()) {
        if (!endpoint.isReady('unary')) continue;
        endpoint.channel('unary').unary(head, use, new CollectedResponse(onEnd));
      }
      this.#useLater();
    });
  }
}

const outdated = status(Code.UNAVAILABLE, 'opened with a token that was replaced', 'lost');

/** Whether what a call was sent with ends in the token that there is. */
function carries(metadata: Metadata, token: Metadata): boolean {
  return metadataValue(metadata, 'token') === metadataValue(token, 'token');
}

/** AuthenticateResponse.token; empty when there is none. */
function tokenIn(answer: Uint8Array): string {
  const reader = new Reader(answer);
  let token = '';
  while (reader.next()) {
    if (reader.field === 2) token = Buffer.from(reader.bytes()).toString('latin1');
  }
  return reader.malformed ? '' : token;
}
