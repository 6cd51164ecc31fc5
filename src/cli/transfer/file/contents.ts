/**
 * Reads an export file as what it means: its header, pages of keys in ascending order, leases, and the end. Everything that an
 * import relies on is checked here, so a hostile file is rejected before it has an effect.
 */
import { startsWith } from '../../../etcd/key-range.ts';
import { Reader } from '../../../protobuf/reader.ts';
import { KeyValue } from '../key-value.ts';
import { blocksOf, InvalidExport } from './blocks.ts';
import {
  BlockKind,
  blockKeysMax,
  type ExportEnd,
  type ExportedLease,
  type ExportHeader,
  formatVersion,
  sharedBytesMax,
} from './layout.ts';

/** Leases are kept in memory until the end, about 200 bytes each. */
export const leasesMax = 1_000_000;

export type Part =
  | { readonly kind: 'header'; readonly header: ExportHeader; readonly namespace: Buffer }
  /** Keys as stored, in ascending order. Each begins with the namespace. */
  | { readonly kind: 'keys'; readonly keyValues: readonly KeyValue[] }
  | { readonly kind: 'leases'; readonly leases: readonly ExportedLease[] }
  | { readonly kind: 'end'; readonly end: ExportEnd };

/** Rejects with `InvalidExport`. The part `end` is the last one, and only yielded if the whole file is valid. */
export async function* contentsOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Part, void> {
  let namespace: Buffer | null = null;
  let last: Uint8Array | null = null;
  let keys = 0;
  let leases = 0;
  for await (const { kind, content, sha256 } of blocksOf(source)) {
    if ((namespace === null) !== (kind === BlockKind.HEADER)) {
      throw new InvalidExport('the header must be the first block, and the only one');
    }
    if (kind === BlockKind.HEADER) {
      const header = headerIn(content);
      namespace = Buffer.from(header.namespace, 'base64');
      yield { kind: 'header', header, namespace };
    } else if (kind === BlockKind.KEYS) {
      const keyValues = keyValuesIn(content, namespace as Buffer, last);
      last = keyValues.at(-1)?.key ?? last;
      keys += keyValues.length;
      yield { kind: 'keys', keyValues };
    } else if (kind === BlockKind.LEASES) {
      const found = leasesIn(content);
      leases += found.length;
      if (leases > leasesMax) throw new InvalidExport(`there are more than ${leasesMax} leases`);
      yield { kind: 'leases', leases: found };
    } else {
      const end = endIn(content);
      if (end.sha256 !== sha256) throw new InvalidExport('the checksum of the file does not match');
      if (end.keys !== keys || end.leases !== leases) {
        throw new InvalidExport(`the file has ${keys} keys and should have ${end.keys}`);
      }
      yield { kind: 'end', end };
    }
  }
}

/** The content is a RangeResponse that has only the field `kvs`. */
function keyValuesIn(
  content: Uint8Array,
  namespace: Uint8Array,
  before: Uint8Array | null,
): readonly KeyValue[] {
  const keyValues: KeyValue[] = [];
  const reader = new Reader(content);
  let last = before;
  while (reader.next()) {
    const isKey = reader.field === 2 && reader.wireType === 2;
    const found = isKey ? KeyValue.read(content, reader.valueStart, reader.fieldEnd) : null;
    if (found === null) throw new InvalidExport('a block of keys has other content');
    const { key } = found;
    if (key.length === 0 || !startsWith(key, namespace)) {
      throw new InvalidExport('a key is outside of the namespace of the file');
    }
    if (last !== null && Buffer.compare(last, key) >= 0) {
      throw new InvalidExport('the keys are not in ascending order');
    }
    last = key;
    keyValues.push(found);
    const isLong = keyValues.length > 1 && content.length > sharedBytesMax;
    if (isLong || keyValues.length > blockKeysMax) {
      throw new InvalidExport('a block has too many keys');
    }
  }
  if (reader.malformed) throw new InvalidExport('a block of keys is malformed');
  return keyValues;
}

function headerIn(content: Uint8Array): ExportHeader {
  const { format, program, created, namespace, clusterId, revision } = objectIn(content);
  if (format !== formatVersion) {
    throw new InvalidExport(
      `the file has version ${JSON.stringify(format)} of the format, and this program reads version ${formatVersion}`,
    );
  }
  const isValid =
    isText(program) &&
    isText(created) &&
    isText(namespace) &&
    Buffer.from(namespace, 'base64').toString('base64') === namespace &&
    isText(clusterId) &&
    /^[0-9a-f]{16}$/.test(clusterId) &&
    isCount(revision);
  if (!isValid) throw new InvalidExport('the header of the file is not valid');
  return { format, program, created, namespace, clusterId, revision };
}

function leasesIn(content: Uint8Array): readonly ExportedLease[] {
  const parsed = json(content);
  if (!Array.isArray(parsed)) throw new InvalidExport('a list of leases is not valid');
  return parsed.map((each: unknown) => {
    const { id, visible, grantedSeconds, remainingSeconds, keys } = (each ?? {}) as Unchecked;
    const isValid =
      isText(id) &&
      isInt64(id) &&
      (visible === null || (isCount(visible) && visible > 0 && visible <= 0x7fff_ffff)) &&
      isCount(grantedSeconds) &&
      (remainingSeconds === -1 || isCount(remainingSeconds)) &&
      isCount(keys);
    if (!isValid) throw new InvalidExport('a lease is not valid');
    return {
      id,
      visible: visible as number | null,
      grantedSeconds,
      remainingSeconds: remainingSeconds as number,
      keys,
    };
  });
}

function endIn(content: Uint8Array): ExportEnd {
  const { keys, leases, sha256 } = objectIn(content);
  if (isCount(keys) && isCount(leases) && isText(sha256)) return { keys, leases, sha256 };
  throw new InvalidExport('the end of the file is not valid');
}

type Unchecked = Readonly<Record<string, unknown>>;

function objectIn(content: Uint8Array): Unchecked {
  const parsed = json(content);
  if (typeof parsed === 'object' && parsed !== null) return parsed as Unchecked;
  throw new InvalidExport('a block is not an object in JSON');
}

function json(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString());
  } catch {
    throw new InvalidExport('a block is not JSON');
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isInt64(text: string): boolean {
  return /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}
