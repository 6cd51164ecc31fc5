/**
 * The forms that a range can take on the wire, and what each of them covers by the words of etcd's contract: a single key,
 * an end that is there and empty, `\0` for the end of everything, bounds in any order.
 */
import { slowMessage } from '../support/slow-rewriter.ts';

export interface Form {
  /** One character per byte. */
  readonly key: string;
  /** Null: not on the wire at all. */
  readonly end: string | null;
}

/** Every key with every end, and with none. */
export function formsOf(keys: readonly string[], ends: readonly string[]): Form[] {
  return keys.flatMap((key) => [null, ...ends].map((end) => ({ key, end })));
}

/** The fields of a RangeRequest, a DeleteRangeRequest or a WatchCreateRequest. */
export function rangeOf({ key, end }: Form, ...more: [number, bigint][]): Uint8Array {
  return end === null ? slowMessage([1, key], ...more) : slowMessage([1, key], [2, end], ...more);
}

/** A Compare of the whole form: the version is greater than 0. */
export function compareOf({ key, end }: Form): Uint8Array {
  const exists = [[1, 1n], [2, 0n], [3, key], [4, 0n]] as [number, bigint | string][]; // biome-ignore format: one message
  return end === null ? slowMessage(...exists) : slowMessage(...exists, [64, end]);
}

/** Which of the names the form covers, in order. */
export function covered({ key, end }: Form, names: readonly string[]): string[] {
  const within = (name: string) => {
    if (end === null || end === '') return name === key;
    return name >= key && (end === '\0' || name < end);
  };
  return names.filter(within).sort((a, b) => (a < b ? -1 : 1));
}
