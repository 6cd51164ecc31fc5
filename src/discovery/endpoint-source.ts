/**
 * Where the endpoints of a configuration come from if they are not configured: from DNS (--discovery-srv) or from the member list
 * (--endpoints-auto-sync-interval). Loading a configuration asks for the current ones; a change reloads it. What was found last stays
 * in use while DNS or the cluster does not respond. Without these settings the class does nothing.
 */
import { Resolver } from 'node:dns/promises';
import type { Settings } from '../config/schema.ts';
import type { Logger } from '../observe/logger.ts';
import type { Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';
import { discover, type SrvQuery, type SrvResolver } from './srv.ts';

/** The running proxy, as far as its endpoints matter. */
export interface EndpointUser {
  /** Whether an endpoint serves calls. */
  hasEndpoint(): Promise<boolean>;
  /** Endpoints of voting members that have served etcd. Null if the cluster does not tell. */
  memberEndpoints(): Promise<readonly string[] | null>;
}

export interface EndpointSourceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver?: SrvResolver;
}

/** With a running proxy. */
interface Running {
  readonly user: EndpointUser;
  readonly logger: Logger;
  readonly onChange: () => Promise<void>;
}

/** How often DNS is asked while no endpoint serves calls. */
const failingEveryMs = 2_000;
const spread = 0.1;
const lookUpTimeoutMs = 5_000;

type SourceSettings = Pick<
  Settings,
  | 'discovery-srv'
  | 'discovery-srv-name'
  | 'insecure-discovery'
  | 'discovery-interval'
  | 'endpoints-auto-sync-interval'
>;

export class EndpointSource {
  readonly #parts: EndpointSourceParts;
  #settings: SourceSettings | null = null;
  #running: Running | null = null;
  #resolver: SrvResolver | null;
  #discovered: readonly string[] | null = null;
  #members: readonly string[] | null = null;
  /** Of the last look-up, so that the same one is logged once. Empty after a success. */
  #failure = '';
  #cancelDiscovery = (): void => {};
  #cancelSync = (): void => {};
  /** Counts the sources, and the end. What was asked in an earlier round is neither used nor asked again. */
  #round = 0;
  /** Monotonic time at which DNS is asked again. */
  #discoveryDueMs = 0;

  constructor(parts: EndpointSourceParts) {
    this.#parts = parts;
    this.#resolver = parts.resolver ?? null;
  }

  /** The endpoints to use instead of the configured ones; null for the configured ones. Never rejects. */
  async endpoints(settings: SourceSettings): Promise<readonly string[] | null> {
    const before = this.#settings;
    this.#settings = settings;
    if (keyOf(before) !== keyOf(settings)) {
      this.#round += 1;
      this.#discovered = null;
      this.#members = null;
      if (settings['discovery-srv'] !== '') await this.#lookUp();
      this.#schedule();
    }
    return this.#members ?? this.#discovered;
  }

  /** Begins to ask regularly. `onChange` reloads the configuration, which asks for the endpoints. */
  start(running: Running): void {
    this.#running = running;
    if (this.#failure !== '') this.#logFailure();
    this.#schedule();
  }

  close(): void {
    this.#round += 1;
    this.#running = null;
    this.#cancelDiscovery();
    this.#cancelSync();
  }

  #schedule(): void {
    this.#cancelDiscovery();
    this.#cancelSync();
    if (this.#running === null || this.#settings === null) return;
    if (this.#settings['discovery-srv'] !== '') this.#scheduleDiscovery();
    if (this.#settings['endpoints-auto-sync-interval'] > 0) this.#scheduleSync();
  }

  #scheduleDiscovery(): void {
    const { clock, random } = this.#parts;
    const everyMs = this.#settings?.['discovery-interval'] ?? 0;
    this.#discoveryDueMs = clock.nowMs() + jittered(random, everyMs, spread);
    this.#cancelDiscovery = clock.after(failingEveryMs, () => void this.#onDiscoveryTimer());
  }

  async #onDiscoveryTimer(): Promise<void> {
    const { clock } = this.#parts;
    const round = this.#round;
    const running = this.#running;
    if (running === null) return;
    const isDue = clock.nowMs() >= this.#discoveryDueMs || !(await running.user.hasEndpoint());
    if (round !== this.#round) return;
    if (isDue) {
      if (await this.#lookUp()) await running.onChange();
      if (round === this.#round) this.#scheduleDiscovery();
    } else {
      this.#cancelDiscovery = clock.after(failingEveryMs, () => void this.#onDiscoveryTimer());
    }
  }

  #scheduleSync(): void {
    const { clock, random } = this.#parts;
    const everyMs = this.#settings?.['endpoints-auto-sync-interval'] ?? 0;
    const delayMs = jittered(random, Math.max(everyMs, 1_000), spread);
    this.#cancelSync = clock.after(delayMs, () => void this.#onSyncTimer());
  }

  async #onSyncTimer(): Promise<void> {
    const round = this.#round;
    const running = this.#running;
    if (running === null) return;
    const members = await running.user.memberEndpoints();
    // Without a response the endpoints stay, unless none of them works: then the configured ones may.
    const stay = members === null && (await running.user.hasEndpoint());
    if (round !== this.#round) return;
    const next = stay ? this.#members : members;
    const hasChanged = next?.join() !== this.#members?.join();
    this.#members = next;
    if (hasChanged) {
      running.logger.info('endpoints from the member list', { endpoints: next });
      await running.onChange();
    }
    if (round === this.#round) this.#scheduleSync();
  }

  /** Returns whether the result differs from the one before. False in a later round, which has its own result. */
  async #lookUp(): Promise<boolean> {
    const round = this.#round;
    const settings = this.#settings;
    if (settings === null) return false;
    const query: SrvQuery = {
      domain: settings['discovery-srv'],
      serviceName: settings['discovery-srv-name'],
      isInsecure: settings['insecure-discovery'],
    };
    try {
      const found = await discover(query, this.#resolverInUse());
      if (round !== this.#round) return false;
      this.#failure = '';
      if (found.join() === this.#discovered?.join()) return false;
      this.#discovered = found;
      this.#running?.logger.info('endpoints discovered', { ...query, endpoints: found });
      return true;
    } catch (error) {
      if (round !== this.#round) return false;
      const { message } = error as Error;
      if (message !== this.#failure) {
        this.#failure = message;
        this.#logFailure();
      }
      return false;
    }
  }

  #logFailure(): void {
    this.#running?.logger.warn('discovery failed', {
      domain: this.#settings?.['discovery-srv'],
      reason: this.#failure,
      endpoints: this.#discovered,
    });
  }

  #resolverInUse(): SrvResolver {
    this.#resolver ??= new Resolver({ timeout: lookUpTimeoutMs, tries: 1 });
    return this.#resolver;
  }
}

/** Equal keys find the same endpoints. */
function keyOf(settings: SourceSettings | null): string {
  return JSON.stringify([
    settings?.['discovery-srv'],
    settings?.['discovery-srv-name'],
    settings?.['insecure-discovery'],
    settings?.['endpoints-auto-sync-interval'] === 0,
  ]);
}
