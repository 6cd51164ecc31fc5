/**
 * A real etcd with authentication on. Its user `bulkhead` may read and write `game/`. Tokens end when they were not used for two
 * seconds.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Etcd, startEtcd } from './etcd.ts';
import { etcdctl } from './etcdctl.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

/** The flag with which etcdctl is root. */
export const asRoot = '--user=root:r00t';

export class AuthenticatedEtcd implements AsyncDisposable {
  readonly etcd: Etcd;
  readonly #directory = new TemporaryDirectory('authenticated-etcd');

  private constructor(etcd: Etcd) {
    this.etcd = etcd;
    this.writePassword('s3cret');
  }

  static async start(): Promise<AuthenticatedEtcd> {
    const etcd = await startEtcd({ args: ['--auth-token-ttl=2'] });
    for (const command of [
      'user add root:r00t',
      'role add root',
      'user grant-role root root',
      'user add bulkhead:s3cret',
      'role add games',
      'role grant-permission games readwrite game/ --prefix',
      'user grant-role bulkhead games',
      'auth enable',
    ]) {
      await run(etcd, command.split(' '));
    }
    return new AuthenticatedEtcd(etcd);
  }

  /** Settings of a proxy that logs in as `bulkhead`. */
  get settings(): Readonly<Record<string, unknown>> {
    return {
      endpoints: [this.etcd.address],
      user: 'bulkhead',
      'password-file': this.#passwordFile,
    };
  }

  /** Writes the file that the proxy reads the password from. That of the user is `s3cret`. */
  writePassword(password: string): void {
    writeFileSync(this.#passwordFile, `${password}\n`);
  }

  /** Runs etcdctl as root, directly, so that the proxy sends nothing. Rejects if the command fails. */
  admin(...args: string[]): Promise<void> {
    return run(this.etcd, [asRoot, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.etcd[Symbol.asyncDispose]();
    this.#directory[Symbol.dispose]();
  }

  get #passwordFile(): string {
    return join(this.#directory.path, 'password');
  }
}

async function run(etcd: Etcd, args: readonly string[]): Promise<void> {
  const { code, err } = await etcdctl(etcd.address, args);
  if (code !== 0) throw new Error(`etcdctl ${args.join(' ')}: ${err}`);
}
