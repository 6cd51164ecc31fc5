/**
 * Protobuf definitions as plain facts: every service, message, field and enum under a name, in a form that two sets of
 * definitions can be compared by, wherever their files are cut.
 */
import type {
  EnumTypeDefinition,
  MessageTypeDefinition,
  PackageDefinition,
  ServiceDefinition,
} from '@grpc/proto-loader';

/** For example `etcdserverpb.PutRequest.lease` → `3 TYPE_INT64 LABEL_OPTIONAL`. */
export type Facts = ReadonlyMap<string, string>;

interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly typeName: string;
  readonly label: string;
  readonly oneofIndex?: number;
}

interface MessageDescriptor {
  readonly name: string;
  readonly field: readonly FieldDescriptor[];
  readonly oneofDecl: readonly { readonly name: string }[];
}

interface EnumDescriptor {
  readonly value: readonly { readonly name: string; readonly number: number }[];
}

type AnyMessage = MessageTypeDefinition<object, object>;

const lastPart = (name: string) => name.slice(name.lastIndexOf('.') + 1);

function addMessage(facts: Map<string, string>, name: string, descriptor: MessageDescriptor): void {
  facts.set(name, 'message');
  for (const field of descriptor.field) {
    const oneof = descriptor.oneofDecl[field.oneofIndex ?? -1]?.name ?? '';
    const type = `${field.type} ${lastPart(field.typeName ?? '')}`.trim();
    facts.set(
      `${name}.${field.name}`,
      `${field.number} ${type} ${field.label} ${oneof === '' ? '' : `in ${oneof}`}`.trim(),
    );
  }
}

function addService(facts: Map<string, string>, name: string, service: ServiceDefinition): void {
  for (const [rpc, method] of Object.entries(service)) {
    const { requestStream, responseStream } = method;
    const request = (method.requestType as AnyMessage).type as unknown as MessageDescriptor;
    const response = (method.responseType as AnyMessage).type as unknown as MessageDescriptor;
    facts.set(
      `${name}/${rpc}`,
      `${requestStream ? 'stream ' : ''}${request.name} → ${responseStream ? 'stream ' : ''}${response.name}`,
    );
  }
}

/** The facts of loaded definitions. Numbers of enum values count, their order does not. */
export function factsOf(definitions: PackageDefinition): Facts {
  const facts = new Map<string, string>();
  for (const [name, definition] of Object.entries(definitions)) {
    if (typeof definition['format'] !== 'string') {
      addService(facts, name, definition as ServiceDefinition);
      continue;
    }
    const { type } = definition as AnyMessage | EnumTypeDefinition;
    if (!String(definition['format']).includes('Enum')) {
      addMessage(facts, name, type as unknown as MessageDescriptor);
      continue;
    }
    for (const value of (type as unknown as EnumDescriptor).value) {
      facts.set(`${name}.${value.name}`, String(value.number));
    }
  }
  return facts;
}
