/**
 * Parses the file of tenants' users, with one `user:hash` per line. A hash is scrypt, as written by `hash-password`, or
 * bcrypt, as written by `htpasswd -B`. Checks that verifying each hash has a bounded cost. No passwords are involved.
 */
import type { FileContents } from '../file-contents.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

export interface ScryptHash {
  readonly kind: 'scrypt';
  /** The text in the file. Sessions compare it to detect a changed password. */
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

/** Returns an empty map without --users-file. The result must not be used after a report. */
export function readUsers(
  settings: Settings,
  contents: FileContents,
  report: ProblemReporter,
): ReadonlyMap<string, PasswordHash> {
  const users = new Map<string, PasswordHash>();
  const bytes = contents.of('users-file', settings['users-file'], report);
  for (const [index, line] of (bytes?.toString('utf8') ?? '').split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, user = '', text = ''] = /^([^:]*):(.*)$/.exec(line) ?? [];
    const hash = parsePasswordHash(text);
    const where = `line ${index + 1}`;
    // Problems do not quote lines: an invalid line may contain a plain-text password.
    if (!isUserName(user)) report('users-file', `${where}: ${userRule}`);
    else if (typeof hash === 'string') report('users-file', `${where}: ${hash}`);
    else if (users.has(user)) report('users-file', `${where}: user "${user}" is listed twice`);
    else users.set(user, hash);
  }
  return users;
}

/** Bounds the length of a user name. */
const userBytesMax = 256;

const userRule = `must have the form user:hash, with a user name of at most ${userBytesMax} bytes`;

function isUserName(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= userBytesMax;
}

const scryptForm =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
const bcryptForm = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/;

/** Bounds the cost of one verification, because any client that reaches the listener can request one. */
const scryptBytesMax = 128 << 20;
/** Maximum N·r·p: twice that of OWASP's strongest recommendation. */
const scryptWorkMax = 2 ** 21;

/** Returns the parsed hash, or a text that describes why it is not valid. */
export function parsePasswordHash(text: string): PasswordHash | string {
  if (bcryptForm.test(text)) return { kind: 'bcrypt', text };
  const match = scryptForm.exec(text);
  if (match === null)
    return 'the hash must be $scrypt$ln=…,r=…,p=…$salt$hash or bcrypt with a cost of 4 to 14';
  const [, ln, r, p, salt = '', hash = ''] = match;
  const [costLog2, blockSize, parallelization] = [Number(ln), Number(r), Number(p)];
  const isPossible = costLog2 >= 1 && blockSize >= 1 && parallelization >= 1;
  const work = 2 ** costLog2 * blockSize;
  if (!isPossible || 128 * work > scryptBytesMax || work * parallelization > scryptWorkMax) {
    return 'the scrypt parameters are out of bounds: at most 128 MiB, and N·r·p at most 2^21';
  }
  return {
    ...{ kind: 'scrypt', text, costLog2, blockSize, parallelization },
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}
