/**
 * Session tokens that every worker, and every proxy with the same key, can verify without asking the one that issued them. A
 * token is a session ID, the time of issue, the user's name, and an HMAC over these and the user's password hash. So it
 * becomes invalid with the password, and nothing about it has to be stored. The key is in --token-key-file, or exists only in
 * the memory of the process and its workers.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export interface TokenContent {
  readonly user: string;
  readonly issuedMs: number;
}

/** Every session token begins with a session ID of this length, also one that is not signed. */
export const sessionIdLength = 16;
const timeBytes = 6;
const macBytes = 32;
/** Longer tokens are not read. The name of a user has at most a few hundred bytes. */
const tokenLengthMax = 4_096;

/** Returns a new signing key for all workers of a process. */
export function newTokenKey(): Uint8Array {
  return randomBytes(32);
}

export class SignedTokens {
  readonly #keys: () => readonly Uint8Array[];

  /** `keys` returns the current keys. The first one signs. Without a key, tokens are not signed. */
  constructor(keys: () => readonly Uint8Array[]) {
    this.#keys = keys;
  }

  /** The key that signs at present, or null. */
  get signingKey(): Uint8Array | null {
    return this.#keys()[0] ?? null;
  }

  /** Whether tokens of this key are still accepted. A reload replaces the keys by others with the same bytes. */
  accepts(key: Uint8Array): boolean {
    const keys = this.#keys();
    return keys.includes(key) || keys.some((each) => Buffer.compare(each, key) === 0);
  }

  /** `id` has 16 characters of base64url. The token has no dot, which distinguishes it from a JWT. */
  sign(key: Uint8Array, id: string, { user, issuedMs }: TokenContent, hashText: string): string {
    const body = Buffer.alloc(timeBytes + Buffer.byteLength(user));
    body.writeUIntBE(issuedMs, 0, timeBytes);
    body.write(user, timeBytes);
    return id + Buffer.concat([body, mac(key, id, body, hashText)]).toString('base64url');
  }

  /** Returns the content without verifying the signature, or null if the text cannot be a token. */
  read(token: string): TokenContent | null {
    const bytes = bytesOf(token);
    if (bytes === null) return null;
    const user = bytes.toString('utf8', timeBytes, bytes.length - macBytes);
    return { user, issuedMs: bytes.readUIntBE(0, timeBytes) };
  }

  /**
   * The key that has signed the token for a user with this password hash, or null. Takes the same time for every wrong
   * signature.
   */
  keyOf(token: string, hashText: string): Uint8Array | null {
    const bytes = bytesOf(token);
    if (bytes === null) return null;
    const id = token.slice(0, sessionIdLength);
    const body = bytes.subarray(0, bytes.length - macBytes);
    const signature = bytes.subarray(bytes.length - macBytes);
    const signs = (key: Uint8Array) => timingSafeEqual(mac(key, id, body, hashText), signature);
    return this.#keys().find(signs) ?? null;
  }
}

function mac(key: Uint8Array, id: string, body: Uint8Array, hashText: string): Buffer {
  const hmac = createHmac('sha256', key);
  // The length separates the two texts of variable length.
  return hmac.update(`${id} ${body.length} `).update(body).update(hashText).digest();
}

/** Everything after the session ID. Null for texts of a wrong length or with characters outside base64url. */
function bytesOf(token: string): Buffer | null {
  if (token.length > tokenLengthMax) return null;
  const encoded = token.slice(sessionIdLength);
  const bytes = Buffer.from(encoded, 'base64url');
  if (bytes.length < timeBytes + macBytes) return null;
  return bytes.toString('base64url') === encoded ? bytes : null;
}
