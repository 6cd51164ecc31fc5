/**
 * Messages of the API as objects, by the definitions in proto/ and a library of others: the second opinion on the bytes
 * that unit tests hand to the layers and get from them.
 */
import * as protoLoader from '@grpc/proto-loader';
import type { StreamMethods, UnaryMethods } from './messages.ts';

interface Methods extends UnaryMethods, StreamMethods {}

export type CodedMethod = keyof Methods;

const files = [
  ...['kv', 'watch', 'lease', 'cluster', 'maintenance'].map((name) => `etcdserverpb/${name}.proto`),
  'v3lockpb/lock.proto',
  'v3electionpb/election.proto',
];

const definitions = protoLoader.loadSync(files, {
  includeDirs: [new URL('../../proto', import.meta.url).pathname],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});

function definition(name: CodedMethod): protoLoader.MethodDefinition<object, object> {
  const [service = '', rpc = ''] = name.split('/');
  const found = (definitions[service] as protoLoader.ServiceDefinition | undefined)?.[rpc];
  if (found === undefined) throw new Error(`proto/ has no ${name}`);
  return found;
}

export function encodeRequest<Name extends CodedMethod>(
  name: Name,
  request: Methods[Name][0],
): Uint8Array {
  return definition(name).requestSerialize(request);
}

export function decodeRequest<Name extends CodedMethod>(
  name: Name,
  bytes: Uint8Array,
): Required<Methods[Name][0]> {
  return definition(name).requestDeserialize(Buffer.from(bytes)) as Required<Methods[Name][0]>;
}

/** Fields that are left out are absent, as proto3 has it. */
export function encodeResponse(name: CodedMethod, response: object): Uint8Array {
  return definition(name).responseSerialize(response);
}

export function decodeResponse<Name extends CodedMethod>(
  name: Name,
  bytes: Uint8Array,
): Methods[Name][1] {
  return definition(name).responseDeserialize(Buffer.from(bytes)) as Methods[Name][1];
}
