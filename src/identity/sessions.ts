/**
 * Session tokens: opaque tokens that the proxy issues for passwords. A session ends when it has been idle for too long,
 * when its user's password changes, or when the user has too many newer ones. Like etcd's simple tokens, sessions exist in
 * memory only, so clients authenticate again after a restart.
 *
 * Workers share a signing key. A worker adopts the session of a signed token that another worker has issued, if the token
 * is younger than the idle limit. From then on the session has its own idle time in each worker.
 */
import type { PasswordHash } from '../config/sections/users.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { Directory } from '../tenant/directory.ts';
import { type SignedTokens, sessionIdLength } from './signed-tokens.ts';

export interface SessionLimits {
  /** As in etcd: server/auth/simple_token.go, simpleTokenTTLDefault. */
  readonly idleMsMax: number;
  readonly sessionsMax: number;
  /** Beyond it the user's oldest session ends. Its client authenticates again. */
  readonly sessionsPerUserMax: number;
}

export const sessionLimits: SessionLimits = {
  idleMsMax: 300_000,
  sessionsMax: 100_000,
  sessionsPerUserMax: 1_000,
};

/** Idle sessions are removed at most this often. */
const sweepIntervalMs = 30_000;

/** A random token is a session ID and a secret of this length. */
const secretLength = 43;

class Session {
  readonly token: string;
  readonly user: string;
  readonly identity: string;
  /** Text of the hash that the password was compared with. The session ends when the user has another hash. */
  readonly hashText: string;
  lastUsedMs: number;

  constructor(token: string, user: string, hash: PasswordHash, nowMs: number) {
    this.token = token;
    this.user = user;
    this.identity = `user:${user}`;
    this.hashText = hash.text;
    this.lastUsedMs = nowMs;
  }
}

export class Sessions {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: SessionLimits;
  readonly #signed: SignedTokens | null;
  readonly #byId = new Map<string, Session>();
  /** Oldest first. */
  readonly #byUser = new Map<string, Set<Session>>();
  #sweptMs = Number.NEGATIVE_INFINITY;

  /** `signed` is null in a process without other workers: its tokens are random. */
  constructor(
    clock: Clock,
    random: Random,
    signed: SignedTokens | null = null,
    limits: SessionLimits = sessionLimits,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#signed = signed;
    this.#limits = limits;
  }

  get count(): number {
    return this.#byId.size;
  }

  /** Returns the token of a new session, or null if there are too many sessions. */
  create(user: string, hash: PasswordHash): string | null {
    const id = this.#randomText(sessionIdLength);
    const token =
      this.#signed === null
        ? id + this.#randomText(secretLength)
        : this.#signed.sign(id, { user, issuedMs: this.#clock.epochMs() }, hash.text);
    return this.#add(token, user, hash) === null ? null : token;
  }

  /** Returns `user:NAME`, or null if the token is not valid. Restarts the idle time of the session. */
  identityOf(token: string, directory: Directory): string | null {
    const session =
      this.#byId.get(token.slice(0, sessionIdLength)) ?? this.#adopt(token, directory);
    if (session === null || !isEqualInConstantTime(session.token, token)) return null;
    const nowMs = this.#clock.nowMs();
    const isIdle = nowMs - session.lastUsedMs > this.#limits.idleMsMax;
    if (isIdle || directory.users.get(session.user)?.text !== session.hashText) {
      this.#end(session);
      return null;
    }
    session.lastUsedMs = nowMs;
    return session.identity;
  }

  /** Returns the new session of a token that another worker has issued, or null if the token is not valid here. */
  #adopt(token: string, directory: Directory): Session | null {
    const content = this.#signed?.read(token) ?? null;
    if (content === null) return null;
    const hash = directory.users.get(content.user);
    if (hash === undefined || this.#signed?.isSigned(token, hash.text) !== true) return null;
    if (this.#clock.epochMs() - content.issuedMs > this.#limits.idleMsMax) return null;
    return this.#add(token, content.user, hash);
  }

  /** Returns null if there are too many sessions. */
  #add(token: string, user: string, hash: PasswordHash): Session | null {
    const nowMs = this.#clock.nowMs();
    const { sessionsMax, sessionsPerUserMax } = this.#limits;
    const [oldest] = this.#byUser.get(user) ?? [];
    const ofUserCount = this.#byUser.get(user)?.size ?? 0;
    if (oldest !== undefined && ofUserCount >= sessionsPerUserMax) this.#end(oldest);
    if (this.#byId.size >= sessionsMax) this.#sweep(nowMs);
    if (this.#byId.size >= sessionsMax) return null;
    const session = new Session(token, user, hash, nowMs);
    this.#byId.set(token.slice(0, sessionIdLength), session);
    this.#byUser.set(user, (this.#byUser.get(user) ?? new Set<Session>()).add(session));
    return session;
  }

  #end(session: Session): void {
    this.#byId.delete(session.token.slice(0, sessionIdLength));
    const ofUser = this.#byUser.get(session.user);
    ofUser?.delete(session);
    if (ofUser?.size === 0) this.#byUser.delete(session.user);
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < sweepIntervalMs) return;
    this.#sweptMs = nowMs;
    for (const session of this.#byId.values()) {
      if (nowMs - session.lastUsedMs > this.#limits.idleMsMax) this.#end(session);
    }
  }

  /** Characters of base64url, six random bits each. */
  #randomText(length: number): string {
    let text = '';
    for (let i = 0; i < length; i++) text += alphabet[this.#random.integer(0, alphabet.length)];
    return text;
  }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The time does not reveal how many characters are equal. */
function isEqualInConstantTime(one: string, other: string): boolean {
  let differences = one.length ^ other.length;
  for (let i = 0; i < one.length; i++) differences |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return differences === 0;
}
