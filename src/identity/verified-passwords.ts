/**
 * Remembers for a short time which passwords were verified, so that another login of the same user needs no password hash,
 * also during a flood of logins. It holds no passwords: an entry is an HMAC over the password and its hash, with a random key that
 * exists in memory only. So an entry is valid for that hash alone, and not after the user's hash has changed.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PasswordHash } from '../config/sections/users.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { passwordBytesMax } from './password.ts';
import { sessionLimits } from './sessions.ts';

interface Entry {
  readonly mac: Buffer;
  readonly cancelTimer: CancelTimer;
}

/** Beyond it the entry that was verified first is removed. */
const entriesMax = 10_000;

export class VerifiedPasswords {
  readonly #clock: Clock;
  readonly #key = randomBytes(32);
  /** By the text of the hash. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the same time for every wrong password. */
  has(password: Uint8Array, hash: PasswordHash): boolean {
    if (password.length > passwordBytesMax) return false;
    const mac = this.#mac(password, hash);
    const entry = this.#entries.get(hash.text);
    return entry !== undefined && timingSafeEqual(entry.mac, mac);
  }

  /** The password was compared with the hash and matches. */
  add(password: Uint8Array, hash: PasswordHash): void {
    this.#remove(hash.text);
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size >= entriesMax) this.#remove(oldest);
    // As long as a session that is not used. It is not prolonged: the next login after it is verified again.
    const remove = () => this.#remove(hash.text);
    const cancelTimer = this.#clock.after(sessionLimits.idleMsMax, remove);
    this.#entries.set(hash.text, { mac: this.#mac(password, hash), cancelTimer });
  }

  #remove(hashText: string): void {
    this.#entries.get(hashText)?.cancelTimer();
    this.#entries.delete(hashText);
  }

  #mac(password: Uint8Array, { text }: PasswordHash): Buffer {
    // The length separates the two parts.
    return createHmac('sha256', this.#key)
      .update(`${text.length} ${text}`)
      .update(password)
      .digest();
  }
}
