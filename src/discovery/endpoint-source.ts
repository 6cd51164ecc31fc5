/**
 * Where the endpoints of a configuration come from if they are not configured: from DNS (--discovery-srv) or from the member list
 * (--endpoints-auto-sync-interval). Loading a configuration asks for the current ones, and applying it adopts its settings. What was
 * found last stays in use while DNS or the cluster does not respond. Without these settings the class does nothing.
 */
import { Resolver } from 'node:dns/promises';
import type { Settings } from '../config/schema.ts';
import type { Logger } from '../observe/logger.ts';
import type { Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';
import { Discovery } from './discovery.ts';
import type { SrvResolver } from './srv.ts';

/** The running proxy, as far as its endpoints matter. */
export interface EndpointUser {
  /** Whether an endpoint serves calls. */
  hasEndpoint(): Promise<boolean>;
  /** Endpoints of voting members that have served etcd. Null if the cluster does not respond. */
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
  /** `found` has changed. */
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

/** Of one configuration. */
interface Source {
  readonly settings: SourceSettings;
  /** Null: DNS is not asked. */
  readonly discovery: Discovery | null;
}

export class EndpointSource {
  readonly #parts: EndpointSourceParts;
  /** Of the configuration that was loaded last. It may be rejected. */
  #loaded: Source | null = null;
  /** Of the active configuration. */
  #active: Source | null = null;
  #running: Running | null = null;
  #resolver: SrvResolver | null;
  #members: readonly string[] | null = null;
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

  /** The endpoints to use instead of the configured ones; null for the configured ones. */
  get found(): readonly string[] | null {
    return this.#members ?? this.#active?.discovery?.endpoints ?? null;
  }

  /** What `found` will be if a configuration with these settings is adopted. Never rejects. */
  async endpoints(settings: SourceSettings): Promise<readonly string[] | null> {
    const active = this.#active;
    if (active !== null && keyOf(active.settings) === keyOf(settings)) {
      this.#loaded = { ...active, settings };
      return this.found;
    }
    const discovery = discoveryFor(settings);
    await discovery?.lookUp(this.#resolverInUse());
    this.#loaded = { settings, discovery };
    return discovery?.endpoints ?? null;
  }

  /** The configuration that was loaded last is the active one now. */
  adopt(): void {
    const before = this.#active;
    const loaded = this.#loaded;
    if (loaded === null) return;
    this.#active = loaded;
    if (before !== null && keyOf(before.settings) === keyOf(loaded.settings)) return;
    this.#round += 1;
    this.#members = null;
    if (loaded.discovery !== null) this.#logLookUp(loaded.discovery);
    this.#schedule();
  }

  /** Adopts the configuration, and begins to ask regularly. */
  start(running: Running): void {
    this.#running = running;
    this.adopt();
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
    if (this.#running === null || this.#active === null) return;
    const { settings, discovery } = this.#active;
    if (discovery !== null) this.#scheduleDiscovery();
    if (settings['endpoints-auto-sync-interval'] > 0) this.#scheduleSync();
  }

  #scheduleDiscovery(): void {
    const { clock, random } = this.#parts;
    const everyMs = this.#active?.settings['discovery-interval'] ?? 0;
    this.#discoveryDueMs = clock.nowMs() + jittered(random, everyMs, spread);
    this.#cancelDiscovery = clock.after(failingEveryMs, () => void this.#onDiscoveryTimer());
  }

  async #onDiscoveryTimer(): Promise<void> {
    const { clock } = this.#parts;
    const round = this.#round;
    const running = this.#running;
    const discovery = this.#active?.discovery ?? null;
    if (running === null || discovery === null) return;
    const isDue = clock.nowMs() >= this.#discoveryDueMs || !(await running.user.hasEndpoint());
    if (round !== this.#round) return;
    if (!isDue) {
      this.#cancelDiscovery = clock.after(failingEveryMs, () => void this.#onDiscoveryTimer());
      return;
    }
    const result = await discovery.lookUp(this.#resolverInUse());
    if (round !== this.#round) return;
    if (result !== 'same') this.#logLookUp(discovery);
    if (result === 'changed') await running.onChange();
    if (round === this.#round) this.#scheduleDiscovery();
  }

  #scheduleSync(): void {
    const { clock, random } = this.#parts;
    const everyMs = this.#active?.settings['endpoints-auto-sync-interval'] ?? 0;
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

  #logLookUp({ query, endpoints, failure }: Discovery): void {
    const logger = this.#running?.logger;
    if (failure === '') logger?.info('endpoints discovered', { ...query, endpoints });
    else logger?.warn('discovery failed', { domain: query.domain, reason: failure, endpoints });
  }

  #resolverInUse(): SrvResolver {
    this.#resolver ??= new Resolver({ timeout: lookUpTimeoutMs, tries: 1 });
    return this.#resolver;
  }
}

function discoveryFor(settings: SourceSettings): Discovery | null {
  const domain = settings['discovery-srv'];
  if (domain === '') return null;
  const serviceName = settings['discovery-srv-name'];
  return new Discovery({ domain, serviceName, isInsecure: settings['insecure-discovery'] });
}

/** Equal keys find the same endpoints. */
function keyOf(settings: SourceSettings): string {
  return JSON.stringify([
    settings['discovery-srv'],
    settings['discovery-srv-name'],
    settings['insecure-discovery'],
    settings['endpoints-auto-sync-interval'] === 0,
  ]);
}
