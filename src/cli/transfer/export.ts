/**
 * `etcd-bulkhead export`: writes the keys of one namespace, as they were at one revision, to a file. Pages are read and written
 * as a stream, so the memory does not depend on the size of the namespace. A page that fails is read again at the same
 * revision, from another endpoint if there is one.
 */
import { type KeySpace, keySpace } from '../../etcd/key-space.ts';
import { LeaseKeys } from '../../etcd/lease-keys.ts';
import { version } from '../../observe/version.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type Command, ExitCode, type Invocation, type Output } from '../command.ts';
import { CallFailure } from './call-failure.ts';
import { EtcdClient } from './etcd-client.ts';
import { isAvailable } from './file/compression.ts';
import { leasesMax } from './file/contents.ts';
import {
  BlockKind,
  blockKeysMax,
  type Compression,
  compressions,
  type ExportedLease,
  type ExportHeader,
  formatVersion,
} from './file/layout.ts';
import { openSink, type Sink } from './file/sink.ts';
import { ExportWriter } from './file/writer.ts';
import { firstSignal, interrupted } from './interrupted.ts';
import { type KeyValue, type Page, readPage } from './key-value.ts';
import { timeToLive, visibleLease } from './lease-call.ts';
import { type Options, type OptionsSpec, readOptions } from './options.ts';
import { pagesOf } from './pages.ts';
import { printable } from './printable.ts';
import { formatBytes, Progress } from './progress.ts';
import { namespaceRange, rangeRequest } from './range.ts';

type Flag = 'output' | 'revision' | 'compression' | 'max-outage';

const spec: OptionsSpec<Flag> = {
  flags: {
    output: { kind: 'file', isRequired: true, doc: 'File to write; - is standard output.' },
    revision: { kind: 'integer', default: '0', doc: 'Revision to read; 0 is the current one.' },
    compression: {
      kind: compressions.join('|'),
      default: isAvailable('zstd') ? 'zstd' : 'gzip',
      doc: 'Compression of the file. zstd needs Node.js 22.15 or newer, also to read it.',
    },
    'max-outage': {
      kind: 'duration',
      default: '60s',
      doc: 'How long etcd may be unavailable before the command fails.',
    },
  },
  check: (flags) => {
    const problems = [];
    const compression = flags.text('compression') as Compression;
    if (!compressions.includes(compression)) {
      const what = `must be ${compressions.join(', ')}, not "${compression}"`;
      problems.push({ where: '--compression', what });
    } else if (!isAvailable(compression)) {
      problems.push({ where: '--compression', what: 'zstd needs Node.js 22.15 or newer' });
    }
    if (!/^\d{1,15}$/.test(flags.text('revision'))) {
      problems.push({ where: '--revision', what: 'must be a whole number' });
    }
    if (Number.isNaN(flags.ms('max-outage'))) {
      problems.push({ where: '--max-outage', what: 'must be a duration such as 30s' });
    }
    return problems;
  },
};

/** A block of keys has about this length before compression. */
const blockBytes = 1 << 20;
/** LeaseTimeToLive calls in flight. */
const leaseCallsMax = 16;
/** Keys with a lease that the report names. */
const namedKeysMax = 10;

export async function exportKeys(
  command: Pick<Command, 'name' | 'summary'>,
  invocation: Invocation,
): Promise<number> {
  const options = await readOptions(command, invocation, spec);
  if (typeof options === 'number') return options;
  const { output } = invocation;
  const path = options.flags.text('output');
  // With the data on standard output, the report is on the other one.
  const report = path === '-' ? output.err : output.out;
  // Before there is a file to remove.
  void firstSignal();
  let sink: Sink | null = null;
  try {
    sink = await openSink(path);
    using etcd = await EtcdClient.connect(options.config, {
      outageMsMax: options.flags.ms('max-outage'),
      onRetry: (failure) => output.err(`etcd-bulkhead: ${failure.message}; trying again\n`),
    });
    const run = new Export(
      options,
      etcd,
      new ExportWriter(sink, options.flags.text('compression') as Compression),
      output,
    );
    const lines = await interrupted(run.write());
    await sink.commit();
    for (const line of lines) report(`${line}\n`);
    return ExitCode.OK;
  } catch (error) {
    await sink?.discard();
    output.err(`etcd-bulkhead: export failed: ${(error as Error).message}\n`);
    return ExitCode.FAULT;
  }
}

class Export {
  readonly #options: Options<Flag>;
  readonly #etcd: EtcdClient;
  readonly #writer: ExportWriter;
  readonly #output: Output;
  readonly #space: KeySpace;
  /** Keys by stored lease ID. */
  readonly #leases = new Map<bigint, number>();
  readonly #leasedKeys: { readonly key: Uint8Array; readonly lease: bigint }[] = [];
  #keys = 0;
  #keyBytes = 0;

  constructor(options: Options<Flag>, etcd: EtcdClient, writer: ExportWriter, output: Output) {
    this.#options = options;
    this.#etcd = etcd;
    this.#writer = writer;
    this.#output = output;
    const leaseKeys = new LeaseKeys(options.config.leaseSecret);
    this.#space = keySpace(options.namespace, { leaseKeys });
  }

  /** Resolves with the report. */
  async write(): Promise<readonly string[]> {
    const { namespace } = this.#options;
    const range = namespaceRange(namespace);
    const wanted = Number(this.#options.flags.text('revision'));
    // A single key: the header is all that is needed, and the first page counts the others.
    const single = { key: range.key, end: Buffer.alloc(0) };
    const request = rangeRequest(single, { countOnly: true, revision: wanted });
    const { header } = readPage(await this.#etcd.call('etcdserverpb.KV/Range', request));
    const revision = wanted || header.revision;
    const fileHeader: ExportHeader = {
      format: formatVersion,
      program: `etcd-bulkhead ${version}`,
      created: new Date(systemClock.epochMs()).toISOString(),
      namespace: namespace.toString('base64'),
      clusterId: header.clusterId,
      revision,
    };
    await this.#writer.block(BlockKind.HEADER, Buffer.from(JSON.stringify(fileHeader)));
    const print = process.stderr.isTTY ? this.#output.err : null;
    let progress: Progress | null = null;
    try {
      for await (const page of pagesOf(this.#etcd, range, revision)) {
        if (page.header.clusterId !== header.clusterId) {
          throw new Error('the endpoints belong to different clusters');
        }
        await this.#writePage(page);
        progress ??= new Progress('export', page.count, print, systemClock);
        progress.add(page.keyValues.length, page.encoded.length);
      }
    } catch (error) {
      if (!(error instanceof CallFailure) || !error.isCompacted) throw error;
      throw new Error(
        `revision ${revision} was compacted before all keys were read. Compact later, or keep more revisions (--auto-compaction-retention of etcd), and run it again`,
      );
    } finally {
      progress?.clear();
    }
    const leases = await this.#writeLeases();
    const end = await this.#writer.end({ keys: this.#keys, leases: leases.length });
    const size = `${formatBytes(this.#keyBytes)} in a file of ${formatBytes(this.#writer.bytes)}`;
    return [
      `exported ${this.#keys} keys of namespace ${printable(namespace)} at revision ${revision} of cluster ${header.clusterId}: ${size}`,
      `sha256 of all blocks before the last one: ${end.sha256}`,
      ...this.#leaseReport(leases),
    ];
  }

  async #writePage({ keyValues, encoded, ends }: Page): Promise<void> {
    let start = 0;
    let first = 0;
    for (const [index, keyValue] of keyValues.entries()) {
      if (keyValue.lease !== 0n) this.#onLease(keyValue);
      const end = ends[index] as number;
      const next = ends[index + 1] ?? Number.POSITIVE_INFINITY;
      const isFull = next - start > blockBytes || index + 1 - first === blockKeysMax;
      if (!isFull) continue;
      await this.#writer.block(BlockKind.KEYS, encoded.subarray(start, end));
      start = end;
      first = index + 1;
    }
    this.#keys += keyValues.length;
    this.#keyBytes += encoded.length;
  }

  #onLease({ key, lease }: KeyValue): void {
    this.#leases.set(lease, (this.#leases.get(lease) ?? 0) + 1);
    if (this.#leases.size > leasesMax) {
      throw new Error(`the namespace has more than ${leasesMax} leases`);
    }
    if (this.#leasedKeys.length < namedKeysMax) {
      this.#leasedKeys.push({ key: Uint8Array.from(key), lease });
    }
  }

  async #writeLeases(): Promise<readonly ExportedLease[]> {
    const found: ExportedLease[] = [];
    const entries = [...this.#leases];
    for (let at = 0; at < entries.length; at += leaseCallsMax) {
      const some = entries.slice(at, at + leaseCallsMax);
      found.push(...(await Promise.all(some.map(([id, keys]) => this.#readLease(id, keys)))));
    }
    for (let at = 0; at < found.length; at += blockKeysMax) {
      const some = found.slice(at, at + blockKeysMax);
      await this.#writer.block(BlockKind.LEASES, Buffer.from(JSON.stringify(some)));
    }
    return found;
  }

  async #readLease(id: bigint, keys: number): Promise<ExportedLease> {
    const { remainingSeconds, grantedSeconds } = await timeToLive(this.#etcd, id);
    const visible = visibleLease(this.#space, id);
    return { id: String(id), visible, grantedSeconds, remainingSeconds, keys };
  }

  #leaseReport(leases: readonly ExportedLease[]): readonly string[] {
    if (leases.length === 0) return [];
    const remaining = new Map(leases.map((each) => [each.id, each.remainingSeconds]));
    const keys = leases.reduce((sum, each) => sum + each.keys, 0);
    const named = this.#leasedKeys.map(({ key, lease }) => {
      const seconds = remaining.get(String(lease)) ?? -1;
      const state = seconds < 0 ? 'expired' : `expires in ${seconds} s`;
      return `  ${printable(key)} lease ${lease} ${state}`;
    });
    return [
      `${keys} keys have one of ${leases.length} leases. A lease is not a part of an export: import writes these keys without one, or grants it again with --with-leases.`,
      ...named,
      ...(keys > named.length ? [`  and ${keys - named.length} more`] : []),
    ];
  }
}
