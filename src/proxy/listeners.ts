/**
 * The bound listeners of a running proxy. A reload can add and remove listeners and replace their certificates. It is applied
 * in two phases: `prepare` binds new addresses and can fail, `commit` does the rest and cannot.
 */
import type { Config } from '../config/config.ts';
import type { ListenerConfig } from '../config/sections/listeners.ts';
import type { Method } from '../etcd/methods.ts';
import type { CallHandler, Listener, ServerTls, ServerTransport } from '../grpc/transport.ts';

export interface ListenersOptions {
  readonly server: ServerTransport;
  readonly handler: CallHandler<Method>;
  /** An optional address is not available on this machine. */
  readonly onUnavailable: (listener: ListenerConfig, code: string) => void;
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

  /** The address with the real port. Returns null if it is not bound. */
  addressOf(name: string): string | null {
    return this.#bound.get(name)?.listener.address ?? null;
  }

  /** All bound addresses, by name. */
  get addresses(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#bound, ([name, { listener }]) => [name, listener.address]));
  }

  isSecure(name: string): boolean {
    return this.#bound.get(name)?.config.tls != null;
  }

  /**
   * Binds the listeners that are not bound yet, and returns their names. If one cannot be bound, rejects with the system's
   * error and binds none.
   */
  async prepare({ listeners, limits }: Config): Promise<readonly string[]> {
    const added: string[] = [];
    try {
      for (const config of listeners) {
        if (this.#bound.has(config.name)) continue;
        const listener = await this.#bind(config, limits);
        if (listener === null) continue;
        this.#bound.set(config.name, { config, listener });
        added.push(config.name);
      }
      return added;
    } catch (error) {
      await this.discard(added);
      throw error;
    }
  }

  /** Closes listeners that `prepare` has bound, if no commit follows. */
  async discard(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#drain(name, 0)));
  }

  /**
   * Replaces certificates, and drains within `drainMs` the listeners that the configuration does not name. Returns the names of
   * listeners that need a restart, because of a change that `needsRebind` names. Their other changes are applied.
   */
  commit({ listeners }: Config, drainMs: number): readonly string[] {
    const kept = new Set(listeners.map(({ name }) => name));
    for (const name of [...this.#bound.keys()]) {
      if (!kept.has(name)) void this.#drain(name, drainMs);
    }
    const needRebind: string[] = [];
    for (const config of listeners) {
      const bound = this.#bound.get(config.name);
      if (bound === undefined) continue;
      const changed = withoutRebind(bound.config, config);
      if (needsRebind(bound.config, config)) needRebind.push(config.name);
      const { tls } = changed;
      if (tls !== null && tls !== bound.config.tls) bound.listener.replaceTls(tls);
      this.#bound.set(config.name, { ...bound, config: changed });
    }
    return needRebind;
  }

  /** Resolves with the number of calls that were aborted. `addressOf` works until then. */
  async drain(withinMs: number): Promise<number> {
    const bound = [...this.#bound.values()];
    const aborted = await Promise.all(bound.map(({ listener }) => listener.drain(withinMs)));
    this.#bound.clear();
    return aborted.reduce((sum, calls) => sum + calls, 0);
  }

  #drain(name: string, withinMs: number): Promise<number> {
    const { listener } = this.#bound.get(name) ?? {};
    this.#bound.delete(name);
    return listener?.drain(withinMs) ?? Promise.resolve(0);
  }

  async #bind(config: ListenerConfig, limits: Config['limits']): Promise<Listener | null> {
    const { server, handler, onUnavailable } = this.#options;
    const { name, address, tls } = config;
    try {
      return await server.listen({ name, address, tls, ...limits }, handler);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (config.required || !unavailableCodes.has(code)) throw error;
      onUnavailable(config, code);
      return null;
    }
  }
}

/** A bound listener changes neither the permissions of its socket nor whether it has TLS and requires client certificates. */
export function needsRebind(bound: ListenerConfig, next: ListenerConfig): boolean {
  return !sameTlsMode(bound, next) || !samePermissions(bound, next);
}

/** `next`, as far as a listener that is bound with `bound` can have it. A new certificate does not wait for other changes. */
export function withoutRebind(bound: ListenerConfig, next: ListenerConfig): ListenerConfig {
  return {
    ...next,
    address: samePermissions(bound, next) ? next.address : bound.address,
    tls: sameTlsMode(bound, next) ? next.tls : bound.tls,
  };
}

function samePermissions(a: ListenerConfig, b: ListenerConfig): boolean {
  return socketPermissions(a.address) === socketPermissions(b.address);
}

function sameTlsMode(a: ListenerConfig, b: ListenerConfig): boolean {
  return tlsMode(a.tls) === tlsMode(b.tls);
}

function socketPermissions(address: ListenerConfig['address']): string {
  return 'path' in address ? `${address.permissions?.mode} ${address.permissions?.gid}` : '';
}

function tlsMode(tls: ServerTls | null): string {
  if (tls === null) return 'plain';
  return tls.clientAuthorities === null ? 'server' : 'mutual';
}

/** The machine does not have the address or the address family. Not EADDRINUSE: another process has bound it. */
const unavailableCodes: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);
