/**
 * `etcd-bulkhead mirror`: copies a namespace to another cluster or namespace and follows its changes. The position is stored at
 * the destination, so the process has no state: it can be killed and started again anywhere.
 *
 *   take over ─no position→ copy ─equal→ follow ─compacted→ copy
 *   take over ─position→ follow, or the rest of the copy
 */
import { randomUUID } from 'node:crypto';
import { ordersProgress } from '../../../etcd/releases.ts';
import type { Logger } from '../../../observe/logger.ts';
import { Backoff } from '../../../runtime/backoff.ts';
import { systemClock as clock } from '../../../runtime/clock.ts';
import { systemRandom } from '../../../runtime/random.ts';
import { CallFailure } from '../call-failure.ts';
import { type EtcdClient, wait } from '../etcd-client.ts';
import { type Header, readPage } from '../key-value.ts';
import { printable } from '../printable.ts';
import { namespaceRange, rangeRequest } from '../range.ts';
import { type CopyParts, copy } from './copy.ts';
import { Destination, readPosition, type StoredPosition } from './destination.ts';
import { follow } from './follow.ts';
import { MirroredNames } from './names.ts';
import type { MirrorOptions } from './options.ts';
import type { MirrorState, Position } from './position.ts';
import { Compacted } from './source-watch.ts';
import type { CopyReason, MirrorStats } from './stats.ts';

const backoffLimits = { firstMs: 100, maxMs: 10_000 };
/** How long to wait for the version of the source. Without it, its progress responses are not relied upon. */
const versionMsMax = 2_000;

/** The mirror must not begin or continue. A repetition does not help. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

export interface MirrorParts {
  readonly source: EtcdClient;
  readonly destination: EtcdClient;
  readonly stats: MirrorStats;
  readonly logger: Logger;
}

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #parts: MirrorParts;
  readonly #names: MirroredNames;
  readonly #session = randomUUID();
  #isForced: boolean;
  #clusterId = '';
  #destination: Destination | null = null;
  /** With --once: the revision of the source at the start. Null before it is known. */
  #until: number | null = null;

  constructor(options: MirrorOptions, parts: MirrorParts) {
    this.#options = options;
    this.#parts = parts;
    this.#isForced = options.isForced;
    const { sourceNamespace, destinationNamespace, positionKey } = options;
    this.#names = new MirroredNames(sourceNamespace, destinationNamespace, positionKey);
  }

  /** Follows until it fails, or with --once until the destination has caught up. Rejects with the reason of a final failure. */
  async run(): Promise<void> {
    const { logger, stats } = this.#parts;
    const backoff = new Backoff(systemRandom, backoffLimits);
    let workedAtMs = clock.nowMs();
    for (;;) {
      const before = this.#commits;
      try {
        await this.#attempt();
        return;
      } catch (error) {
        if (this.#commits > before) {
          workedAtMs = clock.nowMs();
          backoff.reset();
        }
        stats.lost();
        if (error instanceof Compacted || isCompacted(error)) {
          logger.warn('compacted', { reason: (error as Error).message });
          await this.#restartCopy();
          continue;
        }
        const isFailedCall = error instanceof CallFailure;
        if (!isFailedCall || (this.#options.isOnce && !error.isTransient)) throw error;
        if (clock.nowMs() - workedAtMs >= this.#options.outageMsMax) throw error;
        stats.failures += 1;
        logger.warn('interrupted', { reason: (error as Error).message });
        await wait(backoff.nextMs());
      }
    }
  }

  get #commits(): number {
    return this.#destination?.commits ?? 0;
  }

  async #attempt(): Promise<void> {
    const { stats, source } = this.#parts;
    const { header } = await this.#readSource();
    const destination = await this.#takeOver(header);
    const parts: CopyParts = { source, destination, names: this.#names, stats };
    if (this.#options.isOnce) this.#until ??= header.revision;
    const until = this.#until;
    stats.sourceRevision = Math.max(stats.sourceRevision, header.revision);
    const isOrdered = await this.#ordersProgress();
    if (destination.state.at === 'copying') await this.#copy(parts);
    if (until !== null && !isOrdered && destination.state.revision < until) {
      // Without progress a mirror cannot know that all changes up to a revision have arrived. The rest of an interrupted copy
      // is at the revision that the source had then.
      await this.#beginCopy('once', header.revision);
      await this.#copy(parts);
    }
    stats.phase = 'following';
    stats.positionRevision = destination.state.revision;
    this.#parts.logger.info('following', { revision: destination.state.revision });
    await follow(parts, { until, ordersProgress: isOrdered, clusterId: this.#clusterId });
    stats.setBehind(null);
  }

  async #copy(parts: CopyParts): Promise<void> {
    const { stats, logger } = this.#parts;
    const { state } = parts.destination;
    if (state.at !== 'copying') return;
    stats.phase = 'copying';
    const { puts, deletes, comparedKeys } = stats;
    logger.info('copying', { revision: state.revision, isResumed: state.lastKey !== null });
    if (state.lastKey !== null) stats.copies.resumed += 1;
    await copy(parts, state.revision, state.lastKey);
    logger.info('copied', {
      revision: state.revision,
      comparedKeys: stats.comparedKeys - comparedKeys,
      puts: stats.puts - puts,
      deletes: stats.deletes - deletes,
    });
  }

  /** Begins to compare everything, at the current revision. */
  async #restartCopy(): Promise<void> {
    const { header } = await this.#readSource();
    await this.#beginCopy('compacted', header.revision);
  }

  async #beginCopy(reason: CopyReason, revision: number): Promise<void> {
    this.#parts.stats.copies[reason] += 1;
    const destination = this.#destination as Destination;
    await destination.advance(destination.begin(), { at: 'copying', revision, lastKey: null });
  }

  /** The header of a linearizable read of the source, and how many keys it has. */
  async #readSource(): Promise<{ readonly header: Header; readonly count: number }> {
    const request = rangeRequest(namespaceRange(this.#names.source), { countOnly: true });
    return readPage(await this.#parts.source.call('etcdserverpb.KV/Range', request));
  }

  /** In the first attempt. Later ones continue, unless another mirror has taken over. */
  async #takeOver(source: Header): Promise<Destination> {
    if (this.#destination !== null) {
      if (source.clusterId !== this.#clusterId) {
        throw new Refusal(`the source is now cluster ${source.clusterId}; see --force`);
      }
      await this.#refuseOlder(source, this.#destination.state);
      return this.#destination;
    }
    const etcd = this.#parts.destination;
    const { positionKey } = this.#options;
    const stored = await readPosition(etcd, positionKey);
    const isSame = stored.position !== null && this.#matches(stored.position, source);
    if (!this.#isForced) {
      if (isSame) await this.#refuseOlder(source, stored.position.state);
      else await this.#refuseUnlessEmpty(stored, source);
    }
    const { stats, logger } = this.#parts;
    const restarts = !isSame || this.#isForced;
    if (restarts) stats.copies[this.#isForced ? 'forced' : 'first'] += 1;
    const destination = await Destination.takeOver(etcd, positionKey, stored, {
      source: { clusterId: source.clusterId, namespace: this.#names.source },
      namespace: this.#names.destination,
      session: this.#session,
      sequence: 0,
      state:
        restarts || stored.position === null
          ? { at: 'copying', revision: source.revision, lastKey: null }
          : stored.position.state,
    });
    this.#isForced = false;
    await this.#refuseLoop(destination, source);
    this.#clusterId = source.clusterId;
    this.#destination = destination;
    logger.info('started', {
      source: source.clusterId,
      revision: destination.state.revision,
      state: destination.state.at,
    });
    return destination;
  }

  #matches({ source, namespace }: Position, { clusterId }: Header): boolean {
    return (
      source.clusterId === clusterId &&
      source.namespace.equals(this.#names.source) &&
      namespace.equals(this.#names.destination)
    );
  }

  async #refuseUnlessEmpty({ position }: StoredPosition, source: Header): Promise<void> {
    if (position !== null) {
      const { clusterId, namespace } = position.source;
      throw new Refusal(
        `the destination is a mirror of namespace ${printable(namespace)} of cluster ${clusterId}, and the source is namespace ${printable(this.#names.source)} of cluster ${source.clusterId}. --force makes it equal to the new source`,
      );
    }
    const request = rangeRequest(namespaceRange(this.#names.destination), { countOnly: true });
    const response = await this.#parts.destination.call('etcdserverpb.KV/Range', request);
    const { count } = readPage(response);
    if (count === 0) return;
    throw new Refusal(
      `the destination has ${count} keys and no position of a mirror. --force overwrites them, and deletes those that the source does not have`,
    );
  }

  /**
   * A cluster that is restored from a backup has its ID and its revisions again, for other changes. Those up to the position
   * would be missing.
   */
  async #refuseOlder(source: Header, { revision }: MirrorState): Promise<void> {
    if (source.revision >= revision) return;
    // Another mirror may have moved the position since the first read.
    const { header } = await this.#readSource();
    if (header.revision >= revision) return;
    throw new Refusal(
      `the source is at revision ${header.revision}, and the destination has its changes up to ${revision}: the source was restored from a backup. --force makes the destination equal to it`,
    );
  }

  /** A namespace inside of the other one would be copied into itself without end. */
  async #refuseLoop(destination: Destination, source: Header): Promise<void> {
    const { source: from, destination: to } = this.#names;
    const length = Math.min(from.length, to.length);
    if (!from.subarray(0, length).equals(to.subarray(0, length))) return;
    const key = this.#options.positionKey;
    const end = new Uint8Array(0);
    const page = readPage(
      await this.#parts.source
        .call('etcdserverpb.KV/Range', rangeRequest({ key, end }))
        .catch((error: unknown) => {
          // Without the permission to read it. Then the clusters cannot be compared.
          if (error instanceof CallFailure && !error.isTransient) return new Uint8Array(0);
          throw error;
        }),
    );
    const [found] = page.keyValues;
    const own = await readPosition(this.#parts.destination, key);
    const isSame =
      found !== undefined &&
      page.header.clusterId === source.clusterId &&
      found.modRevision === own.modRevision &&
      Buffer.from(found.value).includes(this.#session);
    if (!isSame) return;
    await destination.abandon();
    throw new Refusal(
      'the source and the destination are the same keys, or one contains the other',
    );
  }

  async #ordersProgress(): Promise<boolean> {
    const giveUpAtMs = clock.nowMs() + versionMsMax;
    const { source } = this.#parts;
    while (source.versions.every((version) => version === '') && clock.nowMs() < giveUpAtMs) {
      await wait(20);
    }
    const known = source.versions.filter((version) => version !== '');
    return known.length > 0 && known.every(ordersProgress);
  }
}

function isCompacted(error: unknown): boolean {
  return error instanceof CallFailure && error.isCompacted;
}
