/**
 * The configuration that a new worker starts with, so that it serves exactly as the workers that have been running: with the
 * active configuration, except the settings that a reload does not apply, and on the same ports.
 */
import type { Config } from '../config/config.ts';
import type { ListenerConfig } from '../config/sections/listeners.ts';
import { withEndpoints } from '../config/with-endpoints.ts';
import { needsRebind, withoutRebind } from '../proxy/listeners.ts';

export class WorkerConfig {
  readonly #started: Config;
  #active: Config;
  #listeners: readonly ListenerConfig[];
  #addresses: ReadonlyMap<string, string> = new Map();
  /** Ports that replace port 0, by listener. */
  #ports = new Map<string, number>();

  constructor(config: Config) {
    this.#started = config;
    this.#active = config;
    this.#listeners = config.listeners;
  }

  get active(): Config {
    return this.#active;
  }

  /** The bound addresses, in the order of the configuration. */
  get addresses(): readonly string[] {
    return this.#active.listeners.flatMap(({ name }) => this.#addresses.get(name) ?? []);
  }

  /** Records the bound addresses that a worker has reported. All workers have the same ones. */
  bound(addresses: ReadonlyMap<string, string>): void {
    this.#addresses = addresses;
  }

  /** Makes `next` the active configuration. Returns the names of listeners that keep the mode of TLS or the permissions of the socket until a restart. */
  commit(next: Config): readonly string[] {
    const before = new Map(this.#listeners.map((listener) => [listener.name, listener]));
    const needRebind: string[] = [];
    this.#listeners = next.listeners.map((listener) => {
      const bound = before.get(listener.name);
      if (bound === undefined) return listener;
      if (needsRebind(bound, listener)) needRebind.push(listener.name);
      return withoutRebind(bound, listener);
    });
    this.#active = next;
    return needRebind;
  }

  /** `found` is as in --endpoints; null for the configured ones. */
  replaceEndpoints(found: readonly string[] | null): void {
    this.#active = withEndpoints(this.#active, found);
  }

  /**
   * Called when no worker serves, which closes the listeners: those on port 0 keep the port that was picked before. Returns
   * whether new workers now get other ports than those before.
   */
  keepPorts(): boolean {
    let hasChanged = false;
    for (const { name, address } of this.#listeners) {
      const bound = this.#addresses.get(name);
      if ('path' in address || address.port !== 0 || bound === undefined) continue;
      const port = Number(bound.slice(bound.lastIndexOf(':') + 1));
      hasChanged ||= this.#ports.get(name) !== port;
      this.#ports.set(name, port);
    }
    return hasChanged;
  }

  /** For a worker that starts now. */
  get forNewWorker(): Config {
    const { transport, workers, logLevel, shareReads, holdMs, requestTimeoutMs } = this.#started;
    const { logKeys, accessLog, auditLog, advice } = this.#started;
    const { keepaliveMs, keepaliveTimeoutMs, breaker, limits } = this.#started;
    const { advertiseClientUrls, registration, jsonGateway, corsOrigins } = this.#started;
    const { adminAddress, adminTls, adminActions, adminShutdown, tracing } = this.#started;
    return {
      ...this.#active,
      ...{ transport, workers, logLevel, shareReads, holdMs, requestTimeoutMs },
      ...{ logKeys, accessLog, auditLog, advice },
      ...{ keepaliveMs, keepaliveTimeoutMs, breaker, limits },
      ...{ advertiseClientUrls, registration, jsonGateway, corsOrigins },
      ...{ adminAddress, adminTls, adminActions, adminShutdown, tracing },
      listeners: this.#listeners.map((listener) => this.#withPort(listener)),
    };
  }

  #withPort(listener: ListenerConfig): ListenerConfig {
    const { name, address } = listener;
    const port = this.#ports.get(name);
    if ('path' in address || address.port !== 0 || port === undefined) return listener;
    return { ...listener, address: { ...address, port } };
  }
}
