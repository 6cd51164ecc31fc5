/**
 * Requests that are well-formed protobuf and mean something odd: every field of every message at values that no client
 * library sends. The messages are read off the definitions in proto/, so a new field is tried without a word here.
 */
import type * as protoLoader from '@grpc/proto-loader';
import { requests } from '../../src/etcd/fields.ts';
import type { MessageFields, RequestRule } from '../../src/rewrite/field-table.ts';
import { definitions, methodDefinition } from './codec.ts';
import type { Seeded } from './seeded.ts';
import { slowMessage, type Value } from './slow-rewriter.ts';

interface Field {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly typeName: string;
  readonly label: string;
}

interface Descriptor {
  readonly name: string;
  readonly field: readonly Field[];
}

type Loaded = protoLoader.MessageTypeDefinition<object, object>;

const tables: { readonly [message: string]: MessageFields<RequestRule> } = requests;

const lastPart = (name: string) => name.slice(name.lastIndexOf('.') + 1);

const messages = new Map(
  Object.entries(definitions)
    .filter(([, { format }]) => format === 'Protocol Buffer 3 DescriptorProto')
    .map(([name, { type }]) => [lastPart(name), type as unknown as Descriptor]),
);

const text = (latin1: string) => Buffer.from(latin1, 'latin1');

const numbers = [
  0n, 1n, 2n, 3n, 4n, 5n, 6n, 9n, 127n, 128n, 255n, 256n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 32n + 1n,
  2n ** 53n, 2n ** 62n, 2n ** 63n - 2n, 2n ** 63n - 1n, -1n, -2n, -(2n ** 31n), -(2n ** 63n),
] as const; // biome-ignore format: a list of numbers
const strings = ['', '\0', 'a', 'a/b', 'b', '\xff', '\xff\xff', '\xc3\x28', '\0\0', 'zz'].map(text);
const huge = text('k'.repeat(1 << 20));
const repeats = [0, 1, 2, 3, 129] as const;
const depthMax = 4;

export interface HostileOptions {
  /** How often a value is one that clients do send. */
  readonly tame: number;
  /** How often one is a megabyte. */
  readonly huge: number;
}

export class HostileRequests {
  readonly #random: Seeded;
  readonly #options: HostileOptions;

  constructor(random: Seeded, options: HostileOptions = { tame: 0.7, huge: 0.001 }) {
    this.#random = random;
    this.#options = options;
  }

  /** A request of that method, for example `etcdserverpb.KV/Put`. */
  request(method: string): Uint8Array {
    const { requestType } = methodDefinition(method);
    return this.#message((requestType as Loaded).type as unknown as Descriptor, 0);
  }

  #message(descriptor: Descriptor, depth: number): Uint8Array {
    const fields: (readonly [number, Value])[] = [];
    for (const field of this.#oneOfEach(descriptor)) {
      for (let i = this.#count(field, depth); i > 0; i--) {
        fields.push([field.number, this.#value(field, depth)]);
      }
    }
    return slowMessage(...fields);
  }

  /** One field of the oneof; now and then all of them, as no library would write it. */
  #oneOfEach({ name, field }: Descriptor): readonly Field[] {
    // The library that loads the definitions forgets which fields belong to one.
    const oneof = tables[name]?.oneof ?? [];
    if (oneof.length === 0 || this.#random.chance(0.02)) return field;
    const chosen = this.#random.pick(oneof);
    return field.filter(({ number }) => number === chosen || !oneof.includes(number));
  }

  #count({ type, label, name }: Field, depth: number): number {
    const isMessage = type === 'TYPE_MESSAGE';
    if (isMessage && depth >= depthMax) return 0;
    if (label === 'LABEL_REPEATED') {
      return this.#random.chance(0.005) ? this.#random.pick(repeats) : this.#random.below(3);
    }
    if (name === 'key') return 1;
    return this.#random.chance(isMessage ? 0.8 : 0.35) ? 1 : 0;
  }

  #value({ name, type, typeName }: Field, depth: number): Value {
    if (type === 'TYPE_MESSAGE') {
      const child = messages.get(lastPart(typeName));
      if (child === undefined) throw new Error(`proto/ has no message ${typeName}`);
      return this.#message(child, depth + 1);
    }
    // An empty key is rejected before anything else is checked.
    const isTame = this.#random.chance(name === 'key' ? 0.95 : this.#options.tame);
    if (type === 'TYPE_BYTES' || type === 'TYPE_STRING') {
      if (isTame) return text(this.#random.pick(['a', 'b', 'c', 'zz']));
      return this.#random.chance(this.#options.huge) ? huge : this.#random.pick(strings);
    }
    return isTame ? BigInt(this.#random.below(3)) : this.#random.pick(numbers);
  }
}
