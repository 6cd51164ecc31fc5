/**
 * `etcd-bulkhead import`: writes the keys of an export file into a namespace. It reads the file three times: to verify it, to
 * compare it with the destination, and to write what is missing. Nothing is written if the file is damaged, or if a key exists
 * with another value or lease and `--force` is not given. It can be repeated: what an interrupted import has written is recognised.
 */
import { type KeySpace, keySpace } from '../../etcd/key-space.ts';
import { LeaseKeys } from '../../etcd/lease-keys.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type Command, ExitCode, type Invocation, type Output } from '../command.ts';
import { Bits } from './bits.ts';
import { EtcdClient } from './etcd-client.ts';
import { contentsOf, leasesMax } from './file/contents.ts';
import type { ExportedLease, ExportHeader } from './file/layout.ts';
import { ImportedLeases } from './imported-leases.ts';
import { Input } from './input.ts';
import { interrupted } from './interrupted.ts';
import { type KeyValue, readPage } from './key-value.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { type Options, type OptionsSpec, readOptions } from './options.ts';
import { printable } from './printable.ts';
import { Progress } from './progress.ts';
import { isSame, PutBatches } from './put-batches.ts';
import { after, namespaceRange, rangeRequest } from './range.ts';
import { TargetKeys } from './target-keys.ts';

type Flag = 'input' | 'force' | 'with-leases' | 'dry-run' | 'max-outage';

const spec: OptionsSpec<Flag> = {
  flags: {
    input: { kind: 'file', isRequired: true, doc: 'File to read; - is standard input.' },
    force: {
      isBoolean: true,
      doc: 'Overwrite keys that exist with another value or another lease.',
    },
    'with-leases': {
      isBoolean: true,
      doc: 'Grant the leases of the file again, with their IDs and original TTLs, and attach them.',
    },
    'dry-run': {
      isBoolean: true,
      doc: 'Verify the file, compare it with the destination, report, and write nothing.',
    },
    'max-outage': {
      kind: 'duration',
      default: '60s',
      doc: 'How long etcd may be unavailable before the command fails.',
    },
  },
  check: (flags) =>
    Number.isNaN(flags.ms('max-outage'))
      ? [{ where: '--max-outage', what: 'must be a duration such as 30s' }]
      : [],
};

/** Conflicts that the report names. */
const namedKeysMax = 10;

export async function importKeys(
  command: Pick<Command, 'name' | 'summary'>,
  invocation: Invocation,
): Promise<number> {
  const options = await readOptions(command, invocation, spec);
  if (typeof options === 'number') return options;
  const { output } = invocation;
  try {
    await using input = await Input.open(options.flags.text('input'));
    using etcd = await EtcdClient.connect(options.config, {
      outageMsMax: options.flags.ms('max-outage'),
      onRetry: (failure) => output.err(`etcd-bulkhead: ${failure.message}; trying again\n`),
    });
    using keeper = new LeaseKeeper(etcd);
    return await interrupted(new Import(options, input, etcd, keeper, output).run());
  } catch (error) {
    output.err(`etcd-bulkhead: import failed: ${(error as Error).message}\n`);
    return ExitCode.FAULT;
  }
}

/** What the first reading has found. */
interface Verified {
  readonly header: ExportHeader;
  readonly namespace: Uint8Array;
  readonly leases: ReadonlyMap<bigint, ExportedLease>;
  readonly keys: number;
  readonly firstKey: Uint8Array | null;
  readonly lastKey: Uint8Array | null;
}

/** What the second reading has found. */
interface Compared {
  /** Keys, by their number in the file, that need not be written. */
  readonly settled: Bits;
  readonly same: number;
  /** Those of the same keys that have a lease. */
  readonly attached: number;
  readonly expired: number;
  readonly conflicts: number;
  readonly named: readonly string[];
}

class Import {
  readonly #options: Options<Flag>;
  readonly #input: Input;
  readonly #etcd: EtcdClient;
  readonly #keeper: LeaseKeeper;
  readonly #output: Output;
  readonly #space: KeySpace;
  readonly #withLeases: boolean;

  constructor(
    options: Options<Flag>,
    input: Input,
    etcd: EtcdClient,
    keeper: LeaseKeeper,
    output: Output,
  ) {
    this.#options = options;
    this.#input = input;
    this.#etcd = etcd;
    this.#keeper = keeper;
    this.#output = output;
    this.#withLeases = options.flags.isSet('with-leases');
    const leaseKeys = new LeaseKeys(options.config.leaseSecret);
    this.#space = keySpace(options.namespace, { leaseKeys });
  }

  async run(): Promise<number> {
    const verified = await this.#verify();
    const leases = new ImportedLeases(verified.leases, verified.namespace, this.#space);
    const compared = await this.#compare(verified, leases);
    const isForced = this.#options.flags.isSet('force');
    if (compared.conflicts > 0 && !isForced) {
      this.#print(
        this.#output.err,
        `etcd-bulkhead: ${compared.conflicts} of ${verified.keys} keys exist at the destination with another value or another lease. Nothing was written. --force overwrites them:`,
        ...compared.named,
      );
      return ExitCode.FAULT;
    }
    if (this.#options.flags.isSet('dry-run')) {
      this.#print(this.#output.out, `the file is valid: ${this.#sourceOf(verified)}`);
      this.#print(this.#output.out, `would write ${this.#plan(verified, compared)}`);
      return ExitCode.OK;
    }
    const granted = this.#withLeases ? await leases.grant(this.#etcd, this.#keeper) : 0;
    // A lease may have ended since the comparison, and its keys with it. From here on it is renewed.
    const current = compared.attached > 0 ? await this.#compare(verified, leases) : compared;
    await this.#write(verified, current, leases);
    if (this.#withLeases) await leases.requireAlive(this.#etcd);
    this.#print(this.#output.out, `imported ${this.#sourceOf(verified)}`);
    this.#print(this.#output.out, `wrote ${this.#plan(verified, current)}`);
    if (this.#withLeases) {
      this.#print(this.#output.out, `granted ${granted} of ${verified.leases.size} leases`);
    } else if (verified.leases.size > 0) {
      const keys = [...verified.leases.values()].reduce((sum, each) => sum + each.keys, 0);
      this.#print(
        this.#output.out,
        `${keys} keys had a lease and were imported without one (see --with-leases)`,
      );
    }
    return ExitCode.OK;
  }

  /** Reads the whole file, so that a damaged one has no effect. */
  async #verify(): Promise<Verified> {
    const leases = new Map<bigint, ExportedLease>();
    const keyLeases = new NamedLeases();
    let found: Pick<Verified, 'header' | 'namespace'> | null = null;
    let firstKey: Uint8Array | null = null;
    let lastKey: Uint8Array | null = null;
    let keys = 0;
    for await (const part of contentsOf(this.#input.read())) {
      if (part.kind === 'header') found = part;
      else if (part.kind === 'leases') {
        for (const lease of part.leases) leases.set(BigInt(lease.id), lease);
      } else if (part.kind === 'keys') {
        keyLeases.add(part.keyValues);
        firstKey ??= copy(part.keyValues[0]?.key);
        lastKey = copy(part.keyValues.at(-1)?.key) ?? lastKey;
        keys += part.keyValues.length;
      }
    }
    if (found === null) throw new Error('the file has no header');
    keyLeases.check(leases);
    const { header, namespace } = found;
    if (this.#options.namespace.length === 0 && firstKey?.length === namespace.length) {
      throw new Error('a key of the file is equal to its namespace, and would be empty without it');
    }
    return { header, namespace, leases, keys, firstKey, lastKey };
  }

  /** Compares every key with the destination. */
  async #compare(verified: Verified, leases: ImportedLeases): Promise<Compared> {
    const settled = new Bits();
    const named: string[] = [];
    let same = 0;
    let attached = 0;
    let expired = 0;
    let conflicts = 0;
    const target = await this.#target(verified);
    let index = 0;
    for await (const keyValue of this.#keyValues(target === null && !this.#withLeases)) {
      const lease = this.#withLeases ? leases.leaseOf(keyValue.lease) : 0n;
      const key = this.#targetKey(keyValue.key, verified.namespace);
      const present = (await target?.find(key)) ?? null;
      if (lease === null) {
        expired += 1;
        settled.add(index);
      } else if (present !== null && isSame(present, { value: keyValue.value, lease })) {
        same += 1;
        if (lease !== 0n) attached += 1;
        settled.add(index);
      } else if (present !== null) {
        conflicts += 1;
        if (named.length < namedKeysMax) named.push(`  ${printable(key)}`);
      }
      index += 1;
    }
    if (conflicts > named.length) named.push(`  and ${conflicts - named.length} more`);
    return { settled, same, attached, expired, conflicts, named };
  }

  /** The keys of the destination between the first and the last key of the file; null if it has no such keys. */
  async #target({ namespace, firstKey, lastKey }: Verified): Promise<TargetKeys | null> {
    // Also if the file is empty: a destination that cannot be read is an error.
    const whole = namespaceRange(this.#options.namespace);
    const range =
      firstKey === null || lastKey === null
        ? whole
        : {
            key: this.#targetKey(firstKey, namespace),
            end: after(this.#targetKey(lastKey, namespace)),
          };
    const request = rangeRequest(range, { countOnly: true });
    const { count } = readPage(await this.#etcd.call('etcdserverpb.KV/Range', request));
    return count === 0 ? null : new TargetKeys(this.#etcd, range);
  }

  async #write(verified: Verified, compared: Compared, leases: ImportedLeases): Promise<void> {
    const print = process.stderr.isTTY ? this.#output.err : null;
    const total = verified.keys - compared.same - compared.expired;
    const progress = new Progress('import', total, print, systemClock);
    const batches = new PutBatches(this.#etcd, {
      mayOverwrite: this.#options.flags.isSet('force'),
      onWritten: (keys, _present, bytes) => progress.add(keys, bytes),
    });
    let index = 0;
    try {
      for await (const { key, value, lease } of this.#keyValues(false)) {
        if (!compared.settled.has(index)) {
          await batches.add({
            key: this.#targetKey(key, verified.namespace),
            value,
            lease: this.#withLeases ? (leases.leaseOf(lease) ?? 0n) : 0n,
          });
        }
        index += 1;
      }
      await batches.finish();
    } finally {
      progress.clear();
    }
  }

  /** The keys of the file in their order. Verifies it again: it may have changed since. */
  async *#keyValues(isEmpty: boolean): AsyncGenerator<KeyValue, void> {
    if (isEmpty) return;
    for await (const part of contentsOf(this.#input.read())) {
      if (part.kind === 'keys') yield* part.keyValues;
    }
  }

  #targetKey(key: Uint8Array, source: Uint8Array): Uint8Array {
    return Buffer.concat([this.#options.namespace, key.subarray(source.length)]);
  }

  #sourceOf({ keys, header, namespace }: Verified): string {
    return `${keys} keys of namespace ${printable(namespace)} at revision ${header.revision} of cluster ${header.clusterId}, exported ${header.created}`;
  }

  #plan({ keys }: Verified, { same, expired, conflicts }: Compared): string {
    const written = keys - same - expired;
    return [
      `${written} keys into namespace ${printable(this.#options.namespace)}`,
      `${same} had the same value`,
      ...(conflicts > 0 ? [`${conflicts} of them overwritten`] : []),
      ...(expired > 0 ? [`${expired} of expired leases left out`] : []),
    ].join(', ');
  }

  #print(to: (text: string) => void, ...lines: readonly string[]): void {
    for (const line of lines) to(`${line}\n`);
  }
}

/** The leases that keys of a file have. The file must describe each of them. */
class NamedLeases {
  readonly #ids = new Set<bigint>();

  add(keyValues: readonly KeyValue[]): void {
    for (const { lease } of keyValues) if (lease !== 0n) this.#ids.add(lease);
    if (this.#ids.size > leasesMax) {
      throw new Error(`the keys of the file have more than ${leasesMax} leases`);
    }
  }

  check(described: ReadonlyMap<bigint, ExportedLease>): void {
    for (const id of this.#ids) {
      if (described.has(id)) continue;
      throw new Error(`the file does not describe lease ${id} of its keys`);
    }
  }
}

function copy(key: Uint8Array | undefined): Uint8Array | null {
  return key === undefined ? null : Uint8Array.from(key);
}
