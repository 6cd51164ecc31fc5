/**
 * The bound addresses of a running proxy: all of them at the start, and what a reload adds, removes or gives another
 * certificate. Which calls come in by them is nothing to it.
 */
import type { Config } from '../config/config.ts';
import type { ListenerConfig } from '../config/sections/listeners.ts';
import type { Method } from '../etcd/methods.ts';
import type { CallHandler, Listener, ServerTls, ServerTransport } from '../grpc/transport.ts';

export interface ListenersOptions {
  readonly server: ServerTransport;
  readonly handler: CallHandler<Method>;
  /** An address that nobody insists on could not be had. */
  readonly onMissing: (listener: ListenerConfig, code: string) => void;
}

interface Bound {
  readonly config: ListenerConfig;
  readonly listener: Listener;
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #bound = new Map<string, Bound>();

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** Where it listens, with the real port; null for an address that could not be had. */
  addressOf(name: string): string | null {
    return this.#bound.get(name)?.listener.address ?? null;
  }

  isSecure(name: string): boolean {
    return this.#bound.get(name)?.config.tls != null;
  }

  /**
   * Binds those that are not bound yet. Rejects with the system's error when one of them cannot be, and then none is.
   * `commit` does the rest, which cannot fail.
   */
  async prepare({ listeners, limits }: Config): Promise<void> {
    const added: string[] = [];
    try {
      for (const config of listeners) {
        if (this.#bound.has(config.name)) continue;
        const listener = await this.#bind(config, limits);
        if (listener === null) continue;
        this.#bound.set(config.name, { config, listener });
        added.push(config.name);
      }
    } catch (error) {
      await Promise.all(added.map((name) => this.#drain(name, 0)));
      throw error;
    }
  }

  /**
   * Takes the certificates of a configuration, and lets go of the listeners that it does not name, within `drainMs`.
   * Returns the names of those that would have to be bound anew, because they begin or cease to speak TLS or to ask for
   * certificates: they stay as they are.
   */
  commit({ listeners }: Config, drainMs: number): readonly string[] {
    const kept = new Set(listeners.map(({ name }) => name));
    for (const name of [...this.#bound.keys()]) {
      if (!kept.has(name)) void this.#drain(name, drainMs);
    }
    const unchanged: string[] = [];
    for (const config of listeners) {
      const bound = this.#bound.get(config.name);
      if (bound === undefined) continue;
      if (kindOf(config.tls) === kindOf(bound.config.tls)) {
        if (config.tls !== null) bound.listener.replaceTls(config.tls);
        this.#bound.set(config.name, { ...bound, config });
      } else {
        unchanged.push(config.name);
      }
    }
    return unchanged;
  }

  /** Resolves with the number of calls that had to be cut off. Addresses are known until then. */
  async drain(withinMs: number): Promise<number> {
    const bound = [...this.#bound.values()];
    const cutOff = await Promise.all(bound.map(({ listener }) => listener.drain(withinMs)));
    this.#bound.clear();
    return cutOff.reduce((sum, calls) => sum + calls, 0);
  }

  #drain(name: string, withinMs: number): Promise<number> {
    const { listener } = this.#bound.get(name) ?? {};
    this.#bound.delete(name);
    return listener?.drain(withinMs) ?? Promise.resolve(0);
  }

  async #bind(config: ListenerConfig, limits: Config['limits']): Promise<Listener | null> {
    const { server, handler, onMissing } = this.#options;
    const { name, address, tls } = config;
    try {
      return await server.listen({ name, address, tls, ...limits }, handler);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (config.required || !addressIsMissing.has(code)) throw error;
      onMissing(config, code);
      return null;
    }
  }
}

/** What cannot be changed while it is bound. */
function kindOf(tls: ServerTls | null): string {
  if (tls === null) return 'plain';
  return tls.clientAuthorities === null ? 'server' : 'mutual';
}

/** The machine has no such address or no such family; not: somebody else has it. */
const addressIsMissing: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);
