/**
 * Whether a password is the one that was hashed, computed off the event loop: scrypt on the thread pool, bcrypt in a worker
 * of its own. And how a new hash is written. Texts of passwords are neither kept nor logged.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { PasswordHash, ScryptHash } from '../config/sections/users.ts';
import { BcryptWorker } from './bcrypt.ts';

/** Longer ones are nobody's. bcrypt itself looks at 72 bytes and at no more. */
const passwordBytesMax = 1024;
const bcryptBytesMax = 72;

export class Passwords {
  #bcrypt: BcryptWorker | null = null;

  /** Rejects when the computation itself fails: a mistake of ours, or no memory. */
  isRight(password: Uint8Array, hash: PasswordHash): Promise<boolean> {
    const bytes = Buffer.from(password);
    if (bytes.length > passwordBytesMax) return Promise.resolve(false);
    switch (hash.kind) {
      case 'scrypt':
        return isScrypt(bytes, hash);
      case 'bcrypt':
        if (bytes.length > bcryptBytesMax || bytes.includes(0)) return Promise.resolve(false);
        this.#bcrypt ??= new BcryptWorker();
        return this.#bcrypt.ask(bytes.toString('utf8'), hash.text);
    }
  }

  close(): void {
    this.#bcrypt?.close();
  }
}

async function isScrypt(password: Buffer, expected: ScryptHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

type Derivation = Omit<ScryptHash, 'kind' | 'text'>;

function derive(password: Buffer, by: Derivation): Promise<Buffer> {
  const options = {
    N: 2 ** by.costLog2,
    r: by.blockSize,
    p: by.parallelization,
    // Node's own limit is 32 MiB. What a hash may ask for was checked when its file was read.
    maxmem: 256 << 20,
  };
  return new Promise((resolve, reject) => {
    scrypt(password, by.salt, by.hash.length, options, (error, derived) => {
      if (error === null) resolve(derived);
      else reject(error);
    });
  });
}

/** Of new hashes: 16 MiB and about 50 ms. OWASP's advice for that much memory asks for p = 5. */
const costs = { costLog2: 14, blockSize: 8, parallelization: 5 } as const;

/** A new hash of a password, as the file of users holds it. */
export async function hashPassword(password: Uint8Array): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(Buffer.from(password), { ...costs, salt, hash: Buffer.alloc(32) });
  const { costLog2, blockSize, parallelization } = costs;
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const parameters = `ln=${costLog2},r=${blockSize},p=${parallelization}`;
  return `$scrypt$${parameters}$${base64(salt)}$${base64(hash)}`;
}
