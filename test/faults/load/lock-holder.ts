/**
 * A client that competes for a lock with others. With the lock it increments a counter: it reads the counter and writes the
 * next number, if its lock still exists then. It relies on the lock only as long as its lease cannot have expired.
 */
import { callTimeoutMs, LoadClient, type LoadClientOptions } from './load-client.ts';
import { Session } from './session.ts';
import { Stopwatch } from './stopwatch.ts';

export const counter = 'counter';
const lock = 'lock';
const ttlSeconds = 5;
/** Others may have to let their locks expire. */
const lockedWithinMs = 8_000;
const pauseMsMax = 60;
const withDeadline = { timeoutMs: callTimeoutMs };

export class LockHolder extends LoadClient {
  readonly #stopwatch = new Stopwatch(this.ledger, 'locks');
  #session: Session | null = null;

  constructor(options: LoadClientOptions) {
    super(options);
    this.onStop(() => this.#stopwatch.end());
    this.repeat(
      'lock',
      () => this.chance.below(pauseMsMax),
      () => this.#round(),
    );
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.#endSession();
  }

  async #round(): Promise<void> {
    this.#stopwatch.begin();
    const session = await this.#openSession();
    try {
      const request = { name: this.key(lock), lease: session.id };
      const { key } = await this.grpc.call('v3lockpb.Lock/Lock', request, {
        timeoutMs: lockedWithinMs,
      });
      this.#stopwatch.succeed();
      await this.#hold(session, key);
      await this.grpc.call('v3lockpb.Lock/Unlock', { key }, withDeadline);
    } catch (error) {
      // The lock may be taken, or be queued, without this client knowing of it.
      await this.#endSession();
      throw error;
    }
  }

  async #hold(session: Session, key: Buffer): Promise<void> {
    const fromMs = performance.now();
    try {
      await this.#increment(key);
    } finally {
      const toMs = Math.min(performance.now(), session.livesUntilMs);
      if (toMs > fromMs) this.ledger.sections.push({ holder: this.name, fromMs, toMs });
    }
  }

  async #increment(lockKey: Buffer): Promise<void> {
    const key = this.key(counter);
    const { kvs } = await this.grpc.call('etcdserverpb.KV/Range', { key }, withDeadline);
    const value = Buffer.from(`${Number(kvs[0]?.value.toString() ?? 0) + 1}`);
    const request = {
      compare: [
        { key: lockKey, target: 'CREATE' as const, result: 'GREATER' as const, create_revision: 0 },
      ],
      success: [{ request_put: { key, value } }],
    };
    await this.grpc.call('etcdserverpb.KV/Txn', request, withDeadline);
  }

  async #openSession(): Promise<Session> {
    if (this.#session?.isLost === true) await this.#endSession();
    this.#session ??= await Session.start(this.grpc, this.ledger, ttlSeconds);
    return this.#session;
  }

  /** Revokes the lease, so that others need not wait until it expires, if etcd can be reached. */
  async #endSession(): Promise<void> {
    const session = this.#session;
    if (session === null) return;
    this.#session = null;
    await session[Symbol.asyncDispose]();
    const request = { ID: session.id };
    await this.grpc.call('etcdserverpb.Lease/LeaseRevoke', request, withDeadline).catch(() => {});
  }
}
