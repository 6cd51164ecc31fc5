/**
 * What a message of the API does, as fields of a log line: keys in the configured form, lease IDs, revisions, watch IDs, and
 * the number and size of everything else. Values are never read. It decodes messages, so it is loaded and called only for logs.
 * Field numbers: etcd api/etcdserverpb/rpc.proto and the lock and election services.
 */
import type { RequestName, ResponseName } from '../etcd/fields.ts';
import { printable } from '../etcd/printable.ts';
import { Reader, WireType } from '../protobuf/reader.ts';
import type { KeyText } from './key-text.ts';
import type { Fields } from './logger.ts';

/** `size`: the number of bytes of the field. `count`: how often the field occurs. `lease`: an ID in hexadecimal, as etcdctl shows it. */
type Kind = 'key' | 'lease' | 'number' | 'flag' | 'text' | 'size' | 'count' | 'revision';

type Row =
  | readonly [name: string, kind: Kind]
  /** `each`: a repeated message, of which the first ones are described. Without a name, its fields become those of the parent. */
  | readonly [name: string, kind: 'one' | 'each', table: () => Table];

type Table = Readonly<Record<number, Row>>;

const listedMax = 16;
const depthMax = 4;

// biome-ignore-start format: tables, one message per row
const header: Row = ['revision', 'revision'];
const range: Table = {
  1: ['key', 'key'],
  2: ['rangeEnd', 'key'],
  3: ['limit', 'number'],
  4: ['revision', 'number'],
  7: ['serializable', 'flag'],
};
const put: Table = { 1: ['key', 'key'], 2: ['valueBytes', 'size'], 3: ['lease', 'lease'] };
const deleteRange: Table = { 1: ['key', 'key'], 2: ['rangeEnd', 'key'] };
const compare: Table = { 3: ['key', 'key'], 64: ['rangeEnd', 'key'] };
const operation: Table = {
  1: ['range', 'one', () => range],
  2: ['put', 'one', () => put],
  3: ['delete', 'one', () => deleteRange],
  4: ['txn', 'one', () => txn],
};
const txn: Table = {
  1: ['compare', 'each', () => compare],
  2: ['success', 'each', () => operation],
  3: ['failure', 'each', () => operation],
};
const lease: Table = { 1: ['lease', 'lease'] };
const watchCreate: Table = {
  1: ['key', 'key'],
  2: ['rangeEnd', 'key'],
  3: ['startRevision', 'number'],
  4: ['progressNotify', 'flag'],
  6: ['prevKv', 'flag'],
  7: ['watchId', 'number'],
  8: ['fragment', 'flag'],
};
const leader: Table = {
  1: ['name', 'key'],
  2: ['key', 'key'],
  3: ['revision', 'number'],
  4: ['lease', 'lease'],
};

const requests: Partial<Record<RequestName, Table>> = {
  RangeRequest: range,
  PutRequest: put,
  DeleteRangeRequest: deleteRange,
  TxnRequest: txn,
  CompactionRequest: { 1: ['revision', 'number'], 2: ['physical', 'flag'] },
  WatchRequest: {
    1: ['create', 'one', () => watchCreate],
    2: ['cancel', 'one', () => ({ 1: ['watchId', 'number'] })],
    3: ['progress', 'one', () => ({})],
  },
  LeaseGrantRequest: { 1: ['ttl', 'number'], 2: ['lease', 'lease'] },
  LeaseRevokeRequest: lease,
  LeaseKeepAliveRequest: lease,
  LeaseTimeToLiveRequest: { 1: ['lease', 'lease'], 2: ['keys', 'flag'] },
  LockRequest: { 1: ['name', 'key'], 2: ['lease', 'lease'] },
  UnlockRequest: { 1: ['key', 'key'] },
  CampaignRequest: { 1: ['name', 'key'], 2: ['lease', 'lease'], 3: ['valueBytes', 'size'] },
  ProclaimRequest: { 1: ['leader', 'one', () => leader], 2: ['valueBytes', 'size'] },
  LeaderRequest: { 1: ['name', 'key'] },
  ResignRequest: { 1: ['leader', 'one', () => leader] },
};

const responses: Partial<Record<ResponseName, Table>> = {
  RangeResponse: {
    1: header,
    2: ['returned', 'count'],
    3: ['more', 'flag'],
    4: ['count', 'number'],
  },
  RangeStreamResponse: {
    1: [
      '',
      'one',
      () => ({ 1: header, 2: ['returned', 'count'], 3: ['more', 'flag'], 4: ['count', 'number'] }),
    ],
  },
  PutResponse: { 1: header },
  DeleteRangeResponse: { 1: header, 2: ['deleted', 'number'] },
  TxnResponse: { 1: header, 2: ['succeeded', 'flag'] },
  WatchResponse: {
    1: header,
    2: ['watchId', 'number'],
    3: ['created', 'flag'],
    4: ['cancelled', 'flag'],
    5: ['compactRevision', 'number'],
    6: ['reason', 'text'],
    7: ['fragment', 'flag'],
    11: ['events', 'count'],
  },
  LeaseGrantResponse: { 2: ['lease', 'lease'], 3: ['ttl', 'number'] },
  LeaseKeepAliveResponse: { 2: ['lease', 'lease'], 3: ['ttl', 'number'] },
  LeaseTimeToLiveResponse: {
    2: ['lease', 'lease'],
    3: ['ttl', 'number'],
    4: ['grantedTtl', 'number'],
    5: ['keys', 'count'],
  },
  LeaseLeasesResponse: { 2: ['leases', 'count'] },
  LockResponse: { 1: header, 2: ['key', 'key'] },
  CampaignResponse: { 1: header, 2: ['leader', 'one', () => leader] },
};
// biome-ignore-end format: tables

/** Empty for a message that has no row, and for bytes that are not protobuf. */
export function describeRequest(name: RequestName, message: Uint8Array, keys: KeyText): Fields {
  return describe(requests[name], message, keys);
}

export function describeResponse(name: ResponseName, message: Uint8Array, keys: KeyText): Fields {
  return describe(responses[name], message, keys);
}

function describe(table: Table | undefined, message: Uint8Array, keys: KeyText): Fields {
  if (table === undefined) return {};
  const reader = new Reader(message);
  const fields = read(reader, table, keys, 1);
  return reader.malformed ? {} : fields;
}

function read(reader: Reader, table: Table, keys: KeyText, depth: number): Fields {
  const fields: Record<string, unknown> = {};
  while (reader.next()) {
    const row = table[reader.field];
    if (row === undefined) continue;
    const [name, kind, of] = row;
    if (kind === 'each' && isFull(fields[name])) continue;
    if (of === undefined) fields[name] = scalar(reader, kind, fields[name], keys);
    else if (depth < depthMax) {
      const inner = read(reader.message(), of(), keys, depth + 1);
      if (name === '') Object.assign(fields, inner);
      else if (kind === 'one') fields[name] = inner;
      else append(fields, name, inner);
    }
  }
  // JSON has no undefined: keys that must not be shown are missing.
  return fields;
}

function scalar(reader: Reader, kind: Row[1], before: unknown, keys: KeyText): unknown {
  switch (kind) {
    case 'key':
      return keys === null || reader.wireType !== WireType.LEN ? undefined : keys(reader.bytes());
    case 'lease':
      return BigInt.asUintN(64, reader.int64()).toString(16);
    case 'number':
      return reader.number();
    case 'flag':
      return reader.bool();
    case 'text':
      return printable(reader.bytes());
    case 'size':
      return reader.bytes().length;
    case 'count':
      return (typeof before === 'number' ? before : 0) + 1;
    case 'revision':
      return revisionOf(reader.message());
    default:
      return undefined;
  }
}

/** ResponseHeader.revision. */
function revisionOf(responseHeader: Reader): number {
  let revision = 0;
  while (responseHeader.next()) if (responseHeader.field === 3) revision = responseHeader.number();
  return revision;
}

function isFull(list: unknown): boolean {
  return Array.isArray(list) && list.length > listedMax;
}

function append(fields: Record<string, unknown>, name: string, inner: Fields): void {
  const list = (fields[name] ?? []) as (Fields | string)[];
  fields[name] = list;
  if (list.length < listedMax) list.push(inner);
  else if (list.length === listedMax) list.push('…');
}
