/** A client with a lease that it renews, and a key that exists as long as the lease does. */
import { callTimeoutMs, LoadClient, type LoadClientOptions } from './load-client.ts';
import { Session } from './session.ts';

/** Longer than any time in which a fault separates all clients from etcd. */
export const leaseTtlSeconds = 15;

export class LeaseHolder extends LoadClient {
  /** The name of the key. */
  readonly leased: string;
  #session: Session | null = null;

  private constructor(options: LoadClientOptions) {
    super(options);
    this.leased = `leased/${options.name}`;
  }

  /** Resolves when the lease and the key exist. */
  static async start(options: LoadClientOptions): Promise<LeaseHolder> {
    const holder = new LeaseHolder(options);
    await holder.#begin();
    return holder;
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.#session?.[Symbol.asyncDispose]();
  }

  /** The lease has expired, as far as the holder knows. */
  get isLost(): boolean {
    return this.#session?.isLost ?? false;
  }

  async #begin(): Promise<void> {
    const session = await Session.start(this.grpc, this.ledger, leaseTtlSeconds);
    this.#session = session;
    const request = {
      key: this.key(this.leased),
      value: Buffer.from(this.name),
      lease: session.id,
    };
    await this.grpc.call('etcdserverpb.KV/Put', request, { timeoutMs: callTimeoutMs });
  }
}
