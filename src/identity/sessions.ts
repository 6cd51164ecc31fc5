/**
 * Session tokens: opaque tokens that the proxy issues for passwords. A session ends when it has been idle for too long,
 * when its user's password changes, or when the user has too many newer ones. Like etcd's simple tokens, sessions exist in
 * memory only, so clients authenticate again after a restart.
 *
 * Workers, and proxies with the same --token-key-file, share signing keys. A process adopts the session of a signed token
 * that another one has issued, if the token is younger than the idle limit. From then on the session has its own idle time in
 * each process. A session ends with the key that signed its token.
 */
import type { PasswordHash } from '../config/sections/users.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { Directory } from '../tenant/directory.ts';
import { SignedTokens, sessionIdLength } from './signed-tokens.ts';

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

interface NewSession {
  readonly token: string;
  readonly user: string;
  readonly hash: PasswordHash;
  readonly key: Uint8Array | null;
}

class Session {
  readonly token: string;
  readonly user: string;
  readonly identity: string;
  /** Text of the hash that the password was compared with. The session ends when the user has another hash. */
  readonly hashText: string;
  /** The key that signed the token. Null for a random token. */
  readonly key: Uint8Array | null;
  lastUsedMs: number;

  constructor({ token, user, hash, key }: NewSession, nowMs: number) {
    this.token = token;
    this.user = user;
    this.identity = `user:${user}`;
    this.hashText = hash.text;
    this.key = key;
    this.lastUsedMs = nowMs;
  }
}

export class Sessions {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: SessionLimits;
  readonly #signed: SignedTokens;
  readonly #byId = new Map<string, Session>();
  /** Oldest first. */
  readonly #byUser = new Map<string, Set<Session>>();
  #sweptMs = Number.NEGATIVE_INFINITY;

  /** Without a key in `signed`, as in a process alone, tokens are random. */
  constructor(
    clock: Clock,
    random: Random,
    signed: SignedTokens = new SignedTokens(() => []),
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
    const key = this.#signed.signingKey;
    const token =
      key === null
        ? id + this.#randomText(secretLength)
        : this.#signed.sign(key, id, { user, issuedMs: this.#clock.epochMs() }, hash.text);
    return this.#add({ token, user, hash, key }) === null ? null : token;
  }

  /** Returns `user:NAME`, or null if the token is not valid. Restarts the idle time of the session. */
  identityOf(token: string, directory: Directory): string | null {
    const session =
      this.#byId.get(token.slice(0, sessionIdLength)) ?? this.#adopt(token, directory);
    if (session === null || !isEqualInConstantTime(session.token, token)) return null;
    const nowMs = this.#clock.nowMs();
    const isIdle = nowMs - session.lastUsedMs > this.#limits.idleMsMax;
    const isRevoked = session.key !== null && !this.#signed.accepts(session.key);
    if (isIdle || isRevoked || directory.users.get(session.user)?.text !== session.hashText) {
      this.#end(session);
      return null;
    }
    session.lastUsedMs = nowMs;
    return session.identity;
  }

  /** Returns the new session of a token that another process has issued, or null if the token is not valid here. */
  #adopt(token: string, directory: Directory): Session | null {
    const content = this.#signed.signingKey === null ? null : this.#signed.read(token);
    if (content === null) return null;
    const { user, issuedMs } = content;
    const hash = directory.users.get(user);
    if (hash === undefined) return null;
    const key = this.#signed.keyOf(token, hash.text);
    if (key === null || this.#clock.epochMs() - issuedMs > this.#limits.idleMsMax) return null;
    return this.#add({ token, user, hash, key });
  }

  /** Returns null if there are too many sessions. */
  #add(added: NewSession): Session | null {
    const { token, user } = added;
    const nowMs = this.#clock.nowMs();
    const { sessionsMax, sessionsPerUserMax } = this.#limits;
    const [oldest] = this.#byUser.get(user) ?? [];
    const ofUserCount = this.#byUser.get(user)?.size ?? 0;
    if (oldest !== undefined && ofUserCount >= sessionsPerUserMax) this.#end(oldest);
    if (this.#byId.size >= sessionsMax) this.#sweep(nowMs);
    if (this.#byId.size >= sessionsMax) return null;
    const session = new Session(added, nowMs);
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
