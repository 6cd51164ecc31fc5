/**
 * Random messages of the API for the tests of src/rewrite. They are generated from the field tables, with edge values, unknown
 * fields, and non-minimal lengths and varints. `mutated` makes copies of them that are often malformed.
 */
import { keySpace } from '../../src/etcd/key-space.ts';
import type { MessageFields, RequestRule, ResponseRule } from '../../src/rewrite/field-table.ts';
import type { LeaseSeal } from '../../src/rewrite/lease-seal.ts';
import type { Seeded } from './seeded.ts';
import { slowVarint } from './slow-rewriter.ts';

type Sealing = Pick<LeaseSeal, 'stored'>;
type Rule = RequestRule | ResponseRule;
export type Table = { readonly [message: string]: MessageFields<Rule> };

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');

const passing = { passesUnknownFields: true };

/** Edge cases of namespaces, including the empty one and one with the lease IDs of the cluster. The last one refuses unknown fields. */
export const spaces = [
  keySpace(latin1('t1/'), passing),
  keySpace(latin1('')),
  keySpace(latin1('a\xff'), passing),
  keySpace(latin1('\0'), passing),
  keySpace(latin1('n'.repeat(126)), passing),
  keySpace(latin1('shared/'), { ...passing, mapsLeases: false }),
  keySpace(latin1('strict/')),
] as const;

const keys = ['a', 'b', '\0', '\xff', 't1/', 't10', 'k'.repeat(125), 'k'.repeat(300)].map(latin1);
const ends = [...keys, ...['', '\0', '\0\0', '\0'].map(latin1)];
const int64s = [
  0n,
  1n,
  127n,
  128n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  -1n,
];

/** Rates of features that messages of client libraries do not have. */
export interface Oddity {
  /** Rate of fields that are duplicated, omitted, or have another wire type. */
  readonly wrong: number;
  /** Rate of non-minimal lengths, tags and varints. */
  readonly padded: number;
}

export class RandomMessage {
  readonly #random: Seeded;
  readonly #table: Table;
  readonly #oddity: Oddity;
  readonly #prefixes: readonly Uint8Array[];
  readonly #seals: readonly Sealing[];

  /** `prefixes` of keys and `seals` of lease IDs: empty for requests. */
  constructor(
    random: Seeded,
    table: Table,
    oddity: Oddity,
    prefixes: readonly Uint8Array[] = [],
    seals: readonly Sealing[] = [],
  ) {
    this.#random = random;
    this.#table = table;
    this.#oddity = oddity;
    this.#prefixes = prefixes;
    this.#seals = seals;
  }

  message(name: string, depth = 0): Uint8Array {
    const { fields = {}, oneof = [] } = this.#table[name] ?? {};
    const chosen = oneof.length > 0 ? this.#random.pick(oneof) : 0;
    const out: Uint8Array[] = [];
    for (const [text, rule] of Object.entries(fields)) {
      const number = Number(text);
      if (oneof.includes(number) && number !== chosen && !this.#isWrong()) continue;
      for (let left = this.#count(rule, depth); left > 0; left--) {
        out.push(this.#field(number, rule, depth));
      }
    }
    if (chosen !== 0 && fields[chosen] === undefined) out.push(this.#unknown(chosen));
    while (this.#random.chance(0.3)) out.push(this.#unknown(this.#unknownNumber(fields, oneof)));
    return Buffer.concat(this.#shuffled(out));
  }

  #isWrong(): boolean {
    return this.#random.chance(this.#oddity.wrong);
  }

  #count(rule: Rule, depth: number): number {
    const repeats = rule === 'listedKey' || (typeof rule === 'object' && 'each' in rule);
    if (typeof rule === 'object' && 'nested' in rule && depth > 3) return 0;
    if (repeats) return this.#random.below(depth > 2 ? 2 : 4);
    if (this.#isWrong()) return this.#random.below(3);
    if (rule === 'rangeEnd' || rule === 'keyOrFirst' || rule === 'name' || isNumber(rule))
      return this.#random.below(2);
    return 1;
  }

  #field(number: number, rule: Rule, depth: number): Uint8Array {
    if (this.#isWrong() && this.#random.chance(0.2)) return this.#unknown(number);
    if (typeof rule === 'object' && !('enumMax' in rule)) {
      const child = 'one' in rule ? rule.one : 'each' in rule ? rule.each : rule.nested;
      return this.#bytes(number, this.message(child, depth + ('nested' in rule ? 1 : 0)));
    }
    if (typeof rule === 'object') {
      const value = BigInt(this.#random.below(rule.enumMax + 1));
      return this.#varint(number, this.#isWrong() ? this.#random.pick(int64s) : value);
    }
    if (rule === 'rangeEnd') return this.#bytes(number, this.#random.pick(ends));
    if ((rule === 'keyOrFirst' || rule === 'name') && this.#random.chance(0.3))
      return this.#bytes(number, latin1(''));
    if (isNumber(rule)) return this.#varint(number, this.#lease());
    return this.#bytes(number, this.#isWrong() ? latin1('') : this.#key());
  }

  #key(): Uint8Array {
    const key = this.#random.pick(keys);
    if (this.#prefixes.length === 0) return key;
    return Buffer.concat([this.#random.pick(this.#prefixes), key]);
  }

  #lease(): bigint {
    if (this.#seals.length === 0 || this.#isWrong()) return this.#random.pick(int64s);
    const visible = this.#random.pick([1, 127, 128, 2 ** 31 - 1]);
    return this.#random.chance(0.3) ? 0n : this.#random.pick(this.#seals).stored(visible);
  }

  #unknownNumber(fields: object, oneof: readonly number[]): number {
    const number = this.#random.pick([15, 16, 33, 63, 65, 127, 128, 2047, 2048, 2 ** 29 - 1]);
    return number in fields || oneof.includes(number) ? 2 ** 28 : number;
  }

  #unknown(number: number): Uint8Array {
    const tag = (wireType: number) => this.#number((BigInt(number) << 3n) | BigInt(wireType), 5);
    switch (this.#random.below(4)) {
      case 0:
        return Buffer.concat([tag(1), Buffer.alloc(8, this.#random.below(256))]);
      case 1:
        return Buffer.concat([tag(5), Buffer.alloc(4, this.#random.below(256))]);
      case 2:
        return this.#varint(number, this.#random.pick(int64s));
      default:
        return this.#bytes(number, Buffer.alloc(this.#random.below(200), this.#random.below(256)));
    }
  }

  #varint(number: number, value: bigint): Uint8Array {
    const tag = this.#number(BigInt(number) << 3n, 5);
    if (this.#isWrong() && this.#random.chance(0.2)) {
      // Ten bytes. The last one has more than the one bit that remains, or a continuation bit.
      return Buffer.concat([tag, Buffer.alloc(9, 0x80), Buffer.of(1 + this.#random.below(255))]);
    }
    return Buffer.concat([tag, this.#number(value, 10)]);
  }

  #bytes(number: number, value: Uint8Array): Uint8Array {
    const tag = this.#number((BigInt(number) << 3n) | 2n, 5);
    return Buffer.concat([tag, this.#number(BigInt(value.length), 5), value]);
  }

  #number(value: bigint, bytesMax: number): Uint8Array {
    const shortest = slowVarint(value);
    if (!this.#random.chance(this.#oddity.padded)) return shortest;
    return slowVarint(value, this.#random.below(bytesMax - shortest.length + 1));
  }

  #shuffled<T>(items: T[]): T[] {
    if (this.#random.chance(0.5)) return items;
    for (let i = items.length - 1; i > 0; i--) {
      const other = this.#random.below(i + 1);
      [items[i], items[other]] = [items[other] as T, items[i] as T];
    }
    return items;
  }
}

function isNumber(rule: Rule): boolean {
  if (typeof rule === 'object') return 'enumMax' in rule;
  return rule.startsWith('lease') || rule === 'listedLease';
}

/** A copy with bits flipped, or with bytes removed, duplicated, inserted or truncated. */
export function mutated(random: Seeded, source: Uint8Array): Uint8Array {
  let bytes: Uint8Array = Buffer.from(source);
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(bytes.length + 1);
    const length = random.below(12);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (random.below(5)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
        break;
      case 1:
        bytes = Buffer.concat([before, after.subarray(length)]);
        break;
      case 2:
        bytes = Buffer.concat([before, after.subarray(0, length), after]);
        break;
      case 3:
        bytes = Buffer.concat([before, Buffer.of(random.pick([0, 0x7f, 0x80, 0xff, 0x0a])), after]);
        break;
      default:
        bytes = Buffer.from(before);
    }
  }
  return bytes;
}
