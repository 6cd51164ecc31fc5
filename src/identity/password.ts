/**
 * Compares passwords with their hashes outside the event loop: scrypt in the thread pool, bcrypt in a worker thread. It also
 * hashes new passwords. Passwords are neither stored nor logged.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { PasswordHash, ScryptHash } from '../config/sections/users.ts';
import { BcryptWorker } from './bcrypt.ts';

/** Longer passwords match no hash, and neither do passwords with NUL bytes. bcrypt itself uses the first 72 bytes only. */
export const passwordBytesMax = 1024;
const bcryptBytesMax = 72;

export class Passwords {
  #bcrypt: BcryptWorker | null = null;

  /** Rejects if the computation fails, for example without enough memory. */
  matches(password: Uint8Array, hash: PasswordHash): Promise<boolean> {
    const bytes = Buffer.from(password);
    // The HMAC in scrypt pads a password with NUL bytes, and bcrypt repeats it after one: both would match further texts.
    if (bytes.length > passwordBytesMax || bytes.includes(0)) return Promise.resolve(false);
    switch (hash.kind) {
      case 'scrypt':
        return matchesScrypt(bytes, hash);
      case 'bcrypt':
        if (bytes.length > bcryptBytesMax) return Promise.resolve(false);
        this.#bcrypt ??= new BcryptWorker();
        return this.#bcrypt.compare(bytes.toString('utf8'), hash.text);
    }
  }

  close(): void {
    this.#bcrypt?.close();
  }
}

async function matchesScrypt(password: Buffer, expected: ScryptHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

type ScryptParameters = Omit<ScryptHash, 'kind' | 'text'>;

function derive(password: Buffer, parameters: ScryptParameters): Promise<Buffer> {
  const options = {
    N: 2 ** parameters.costLog2,
    r: parameters.blockSize,
    p: parameters.parallelization,
    // Node's default limit is 32 MiB. The parameters were checked when the users file was read.
    maxmem: 256 << 20,
  };
  return new Promise((resolve, reject) => {
    scrypt(password, parameters.salt, parameters.hash.length, options, (error, derived) => {
      if (error === null) resolve(derived);
      else reject(error);
    });
  });
}

/** Parameters of new hashes: 16 MiB and about 50 ms. OWASP recommends p = 5 with this amount of memory. */
const newHashCosts = { costLog2: 14, blockSize: 8, parallelization: 5 } as const;

/** Returns a new hash of a password in the format of the users file. */
export async function hashPassword(password: Uint8Array): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(Buffer.from(password), {
    ...newHashCosts,
    salt,
    hash: Buffer.alloc(32),
  });
  const { costLog2, blockSize, parallelization } = newHashCosts;
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const parameters = `ln=${costLog2},r=${blockSize},p=${parallelization}`;
  return `$scrypt$${parameters}$${base64(salt)}$${base64(hash)}`;
}
