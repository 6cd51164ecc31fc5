/**
 * The file of tenants' users, `user:hash` in each line → parsed hashes. Two kinds: scrypt as `hash-password` writes it, and
 * bcrypt as `htpasswd -B` does. It checks that every hash can be computed within bounds; it never sees a password.
 */
import { type ProblemReporter, readFile } from '../read-file.ts';
import type { Settings } from '../schema.ts';

export interface ScryptHash {
  readonly kind: 'scrypt';
  /** As it stands in the file: what a session compares to notice a changed password. */
  readonly text: string;
  /** N = 2^costLog2. */
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

export interface BcryptHash {
  readonly kind: 'bcrypt';
  readonly text: string;
}

export type PasswordHash = ScryptHash | BcryptHash;

/** Empty when no file is named. After a report the result is not to be used. */
export function readUsers(
  settings: Settings,
  report: ProblemReporter,
): ReadonlyMap<string, PasswordHash> {
  const users = new Map<string, PasswordHash>();
  const bytes = readFile('users-file', settings['users-file'], report);
  for (const [index, line] of (bytes?.toString('utf8') ?? '').split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, user = '', text = ''] = /^([^:]*):(.*)$/.exec(line) ?? [];
    const hash = parsePasswordHash(text);
    const where = `line ${index + 1}`;
    // Lines are never quoted: what is wrong with one may be that a password stands there.
    if (!isUserName(user)) report('users-file', `${where}: a name and ":" are missing`);
    else if (typeof hash === 'string') report('users-file', `${where}: ${hash}`);
    else if (users.has(user)) report('users-file', `${where}: "${user}" stands there twice`);
    else users.set(user, hash);
  }
  return users;
}

/** Longer ones are nobody's. */
export const userBytesMax = 256;

function isUserName(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= userBytesMax;
}

const scryptForm =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
const bcryptForm = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/;

/** What one computation may cost: whoever can reach the listener can ask for one. */
const scryptBytesMax = 128 << 20;
/** N·r·p, as much as OWASP's strongest advice asks for, twice. */
const scryptWorkMax = 2 ** 21;

/** The hash, or what is wrong with it. */
export function parsePasswordHash(text: string): PasswordHash | string {
  if (bcryptForm.test(text)) return { kind: 'bcrypt', text };
  const match = scryptForm.exec(text);
  if (match === null) return 'is neither $scrypt$ln=…,r=…,p=…$salt$hash nor bcrypt of cost 4 to 14';
  const [, ln, r, p, salt = '', hash = ''] = match;
  const [costLog2, blockSize, parallelization] = [Number(ln), Number(r), Number(p)];
  const isPossible = costLog2 >= 1 && blockSize >= 1 && parallelization >= 1;
  const work = 2 ** costLog2 * blockSize;
  if (!isPossible || 128 * work > scryptBytesMax || work * parallelization > scryptWorkMax) {
    return 'its scrypt parameters are out of bounds: 128 MiB, and N·r·p up to 2^21';
  }
  return {
    ...{ kind: 'scrypt', text, costLog2, blockSize, parallelization },
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}
