/**
 * Tokens that were handed out for passwords: opaque, unguessable, and good until they were not used for a while, until the
 * user's password is changed, or until there are too many. As etcd's simple tokens they live in the process and nowhere
 * else: after a restart clients authenticate again.
 */
import type { PasswordHash } from '../config/sections/users.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { Directory } from '../tenant/directory.ts';

export interface SessionLimits {
  /** As etcd: server/auth/simple_token.go, simpleTokenTTLDefault. */
  readonly idleMsMax: number;
  readonly sessionsMax: number;
  /** At this one the user's oldest session ends. Its client authenticates again. */
  readonly sessionsPerUserMax: number;
}

export const sessionLimits: SessionLimits = {
  idleMsMax: 300_000,
  sessionsMax: 100_000,
  sessionsPerUserMax: 1_000,
};

/** How often at most sessions that were not used are looked for. */
const sweepEveryMs = 30_000;

/** A token is this long: 16 characters that find its session, and 43 that prove whose it is. */
const idLength = 16;
const secretLength = 43;

class Session {
  readonly token: string;
  readonly user: string;
  readonly identity: string;
  /** Text of the hash that the password was compared with. The session ends when the user has another hash. */
  readonly hashText: string;
  usedMs: number;

  constructor(token: string, user: string, hash: PasswordHash, nowMs: number) {
    this.token = token;
    this.user = user;
    this.identity = `user:${user}`;
    this.hashText = hash.text;
    this.usedMs = nowMs;
  }
}

export class Sessions {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: SessionLimits;
  readonly #byId = new Map<string, Session>();
  /** Oldest first. */
  readonly #byUser = new Map<string, Set<Session>>();
  #sweptMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, random: Random, limits: SessionLimits = sessionLimits) {
    this.#clock = clock;
    this.#random = random;
    this.#limits = limits;
  }

  get count(): number {
    return this.#byId.size;
  }

  /** A token for a user whose password was right; null when there are too many. */
  begin(user: string, hash: PasswordHash): string | null {
    const nowMs = this.#clock.nowMs();
    const { sessionsMax, sessionsPerUserMax } = this.#limits;
    const own = this.#byUser.get(user) ?? new Set<Session>();
    const [oldest] = own;
    if (oldest !== undefined && own.size >= sessionsPerUserMax) this.#end(oldest);
    if (this.#byId.size >= sessionsMax) this.#sweep(nowMs);
    if (this.#byId.size >= sessionsMax) return null;
    const token = this.#draw(idLength) + this.#draw(secretLength);
    const session = new Session(token, user, hash, nowMs);
    this.#byId.set(token.slice(0, idLength), session);
    this.#byUser.set(user, own.add(session));
    return token;
  }

  /** The identity `user:NAME` that a token stands for, or null. Using it keeps it. */
  identityOf(token: string, directory: Directory): string | null {
    if (token.length !== idLength + secretLength) return null;
    const session = this.#byId.get(token.slice(0, idLength));
    if (session === undefined || !isEqual(session.token, token)) return null;
    const nowMs = this.#clock.nowMs();
    const isIdle = nowMs - session.usedMs > this.#limits.idleMsMax;
    if (isIdle || directory.users.get(session.user)?.text !== session.hashText) {
      this.#end(session);
      return null;
    }
    session.usedMs = nowMs;
    return session.identity;
  }

  #end(session: Session): void {
    this.#byId.delete(session.token.slice(0, idLength));
    const own = this.#byUser.get(session.user);
    own?.delete(session);
    if (own?.size === 0) this.#byUser.delete(session.user);
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < sweepEveryMs) return;
    this.#sweptMs = nowMs;
    for (const session of this.#byId.values()) {
      if (nowMs - session.usedMs > this.#limits.idleMsMax) this.#end(session);
    }
  }

  /** Characters of base64url, six bits each. */
  #draw(length: number): string {
    let text = '';
    for (let i = 0; i < length; i++) text += alphabet[this.#random.integer(0, alphabet.length)];
    return text;
  }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** In a time that does not tell how much of it was right. */
function isEqual(one: string, other: string): boolean {
  let differences = one.length ^ other.length;
  for (let i = 0; i < one.length; i++) differences |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return differences === 0;
}
