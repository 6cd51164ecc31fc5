/** The keys that a request names, as text of one character per byte, for the sketches. */
import type { RequestName } from '../../etcd/fields.ts';
import { Reader } from '../../protobuf/reader.ts';

export interface RequestKey {
  /** Latin-1. Longer keys are cut to `keyBytesMax`, and count under what is left. */
  readonly text: string;
  /** Whether the request concerns a range that begins here. */
  readonly isRange: boolean;
  readonly isWrite: boolean;
}

/** Bounds the memory of a counter. */
export const keyBytesMax = 128;
/** Of one transaction. */
const keysMax = 8;
/** How many fields of a message are read. A client could send millions of small ones, and samples are taken above all limits. */
const fieldsMax = 512;

const keyedRequests: ReadonlySet<RequestName> = new Set<RequestName>([
  'RangeRequest',
  'PutRequest',
  'DeleteRangeRequest',
  'TxnRequest',
]);

export function hasKeys(request: RequestName): boolean {
  return keyedRequests.has(request);
}

/** Empty for bytes that are not protobuf. */
export function requestKeys(request: RequestName, message: Uint8Array): readonly RequestKey[] {
  const keys: RequestKey[] = [];
  if (request === 'TxnRequest') addOperations(new Reader(message), keys);
  else addKey(new Reader(message), request !== 'RangeRequest', keys, request === 'PutRequest');
  return keys;
}

/** Field 1 is the key of all three requests. Field 2 is the end of the range, or the value of a put. */
function addKey(reader: Reader, isWrite: boolean, keys: RequestKey[], isPut = false): void {
  let key: Uint8Array | null = null;
  let isRange = false;
  for (let fields = 0; fields < fieldsMax && reader.next(); fields++) {
    if (reader.field === 1) key = reader.bytes();
    else if (reader.field === 2) {
      isRange = !isPut && reader.fieldEnd > reader.valueStart;
      break;
    }
  }
  if (key !== null && !reader.malformed) keys.push({ text: textOf(key), isRange, isWrite });
}

/** TxnRequest: success and failure are fields 2 and 3. RequestOp: range, put and delete are fields 1, 2 and 3. */
function addOperations(txn: Reader, keys: RequestKey[]): void {
  for (let fields = 0; fields < fieldsMax && keys.length < keysMax && txn.next(); fields++) {
    if (txn.field !== 2 && txn.field !== 3) continue;
    const operation = txn.message();
    if (!operation.next() || operation.field > 3) continue;
    addKey(operation.message(), operation.field !== 1, keys, operation.field === 2);
  }
}

export function textOf(key: Uint8Array): string {
  const { buffer, byteOffset, length } = key;
  return Buffer.from(buffer, byteOffset, Math.min(length, keyBytesMax)).toString('latin1');
}

/** How many levels of prefixes count. */
const levelsMax = 3;

/** The prefixes of a key that end in a slash, from the shortest: `a/` and `a/b/` of `a/b/c`. */
export function prefixesOf(key: string): readonly string[] {
  const prefixes: string[] = [];
  // A key may begin with a slash.
  for (let at = key.indexOf('/', 1); at >= 0; at = key.indexOf('/', at + 1)) {
    prefixes.push(key.slice(0, at + 1));
    if (prefixes.length === levelsMax) break;
  }
  return prefixes;
}
