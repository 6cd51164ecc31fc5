/** The messages of the API as the JSON gateway needs them: fields by both of their JSON names and by number. */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

export type FieldKind = 'bytes' | 'string' | 'bool' | 'int64' | 'uint64' | 'int32' | 'uint32';

export interface EnumType {
  /** For example `etcdserverpb.RangeRequest.SortOrder`. */
  readonly fullName: string;
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

export interface FieldType {
  readonly name: string;
  /** In lowerCamelCase. */
  readonly jsonName: string;
  readonly number: number;
  /** The position in the definition. etcd writes fields in this order. */
  readonly index: number;
  readonly kind: FieldKind | EnumType | MessageType;
  readonly isRepeated: boolean;
  /** The full name of the oneof, or null. */
  readonly oneof: string | null;
  /** The tag of a field with its wire type. Repeated numbers are not packed. */
  readonly tag: number;
  /** `"name":`, as it is written. */
  readonly label: string;
}

export class MessageType {
  /** For example `etcdserverpb.RangeRequest`. */
  readonly fullName: string;
  readonly fields: FieldType[] = [];
  readonly byName = new Map<string, FieldType>();
  readonly byNumber: (FieldType | undefined)[] = [];
  /** Whether the order of the definition is the order of the numbers. */
  isInOrder = true;
  hasOneof = false;

  constructor(fullName: string) {
    this.fullName = fullName;
  }

  add(field: FieldType): void {
    const last = this.fields.at(-1);
    if (last !== undefined && last.number > field.number) this.isInOrder = false;
    if (field.oneof !== null) this.hasOneof = true;
    this.fields.push(field);
    this.byName.set(field.name, field);
    this.byName.set(field.jsonName, field);
    this.byNumber[field.number] = field;
  }
}

export interface MethodTypes {
  readonly request: MessageType;
  readonly response: MessageType;
}

const files = [
  ...['kv', 'watch', 'lease', 'cluster', 'maintenance', 'auth'].map(
    (name) => `etcdserverpb/${name}.proto`,
  ),
  'v3lockpb/lock.proto',
  'v3electionpb/election.proto',
];

const kinds: ReadonlySet<string> = new Set<FieldKind>([
  ...(['bytes', 'string', 'bool', 'int64', 'uint64', 'int32', 'uint32'] as const),
]);

/** Reads the definitions in proto/. */
export class Definitions {
  readonly #root: protobuf.Root;
  readonly #messages = new Map<string, MessageType>();

  private constructor(root: protobuf.Root) {
    this.#root = root;
  }

  static async load(): Promise<Definitions> {
    const folder = fileURLToPath(new URL('../../../proto/', import.meta.url));
    const root = new protobuf.Root();
    root.resolvePath = (_origin, target) => folder + target;
    await root.load(files, { keepCase: true });
    root.resolveAll();
    return new Definitions(root);
  }

  /** The types of a method such as `etcdserverpb.KV/Range`. */
  method(name: string): MethodTypes {
    const [service = '', rpc = ''] = name.split('/');
    const method = this.#root.lookupService(service).methods[rpc];
    method?.resolve();
    if (method?.resolvedRequestType == null || method.resolvedResponseType === null) {
      throw new Error(`proto/ does not define ${name}`);
    }
    return {
      request: this.#message(method.resolvedRequestType),
      response: this.#message(method.resolvedResponseType),
    };
  }

  #message(type: protobuf.Type): MessageType {
    const fullName = type.fullName.slice(1);
    const known = this.#messages.get(fullName);
    if (known !== undefined) return known;
    const message = new MessageType(fullName);
    // Before its fields: a message can contain itself.
    this.#messages.set(fullName, message);
    for (const field of type.fieldsArray) {
      const kind = this.#kind(field.resolve());
      const oneof = field.partOf === null ? null : `${fullName}.${field.partOf.name}`;
      message.add(fieldType(field, message.fields.length, kind, oneof));
    }
    return message;
  }

  #kind(field: protobuf.Field): FieldType['kind'] {
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type) return this.#message(resolvedType);
    if (resolvedType instanceof protobuf.Enum) return enumType(resolvedType);
    if (!kinds.has(field.type)) throw new Error(`${field.fullName} has the type ${field.type}`);
    return field.type as FieldKind;
  }
}

function fieldType(
  field: protobuf.Field,
  index: number,
  kind: FieldType['kind'],
  oneof: string | null,
): FieldType {
  const isDelimited = kind === 'bytes' || kind === 'string' || kind instanceof MessageType;
  return {
    name: field.name,
    jsonName: lowerCamelCase(field.name),
    number: field.id,
    index,
    kind,
    isRepeated: field.repeated,
    oneof,
    tag: field.id * 8 + (isDelimited ? 2 : 0),
    label: `"${field.name}":`,
  };
}

function enumType(type: protobuf.Enum): EnumType {
  const entries = Object.entries(type.values);
  return {
    fullName: type.fullName.slice(1),
    numbers: new Map(entries),
    names: new Map(entries.map(([name, number]) => [number, name])),
  };
}

/** As protoc derives JSON names: `_x` becomes `X`. */
function lowerCamelCase(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}
