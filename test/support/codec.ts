/**
 * The definitions in proto/, loaded by a library that the proxy does not use, and messages of the API as objects. Tests
 * use them as an independent codec for the bytes that the proxy rewrites.
 */
import { fileURLToPath } from 'node:url';
import * as protoLoader from '@grpc/proto-loader';
import type { StreamMethods, UnaryMethods } from './messages.ts';

interface Methods extends UnaryMethods, StreamMethods {}

export type CodedMethod = keyof Methods;

const protoDir = fileURLToPath(new URL('../../proto', import.meta.url));

const protoFiles = [
  ...['kv', 'watch', 'lease', 'cluster', 'maintenance', 'auth'].map(
    (name) => `etcdserverpb/${name}.proto`,
  ),
  'v3lockpb/lock.proto',
  'v3electionpb/election.proto',
  'grpc/health/v1/health.proto',
];

const loadOptions = {
  includeDirs: [protoDir],
  keepCase: true,
  longs: String,
  enums: String,
  oneofs: true,
};

/** Responses have every field, so that tests compare values and not absences. */
export const definitions = protoLoader.loadSync(protoFiles, { ...loadOptions, defaults: true });

/** A method, for example `etcdserverpb.KV/Put`. */
export function methodDefinition(
  name: string,
  from = definitions,
): protoLoader.MethodDefinition<object, object> {
  const [service = '', rpc = ''] = name.split('/');
  const found = (from[service] as protoLoader.ServiceDefinition | undefined)?.[rpc];
  if (found === undefined) throw new Error(`proto/ has no ${name}`);
  return found;
}

export function encodeRequest<Name extends CodedMethod>(
  name: Name,
  request: Methods[Name][0],
): Buffer {
  return methodDefinition(name).requestSerialize(request);
}

export function decodeRequest<Name extends CodedMethod>(
  name: Name,
  bytes: Uint8Array,
): Required<Methods[Name][0]> {
  return methodDefinition(name).requestDeserialize(Buffer.from(bytes)) as Required<
    Methods[Name][0]
  >;
}

/** Fields that are left out are absent, as proto3 has it. */
export function encodeResponse(name: CodedMethod, response: object): Uint8Array {
  return methodDefinition(name).responseSerialize(response);
}

export function decodeResponse<Name extends CodedMethod>(
  name: Name,
  bytes: Uint8Array,
): Methods[Name][1] {
  return methodDefinition(name).responseDeserialize(Buffer.from(bytes)) as Methods[Name][1];
}

/** Without values for absent fields. Loaded at the first use, which few tests have. */
let present: typeof definitions | undefined;

/** Decodes a response. Fields that are absent are left out, so that `encodeResponse` encodes the same bytes. */
export function decodePresent(name: CodedMethod, bytes: Uint8Array): object {
  present ??= protoLoader.loadSync(protoFiles, loadOptions);
  return methodDefinition(name, present).responseDeserialize(Buffer.from(bytes));
}

/** Decodes a response and encodes it again: the same bytes, unless it holds something that proto/ does not know. */
export function reencode(name: CodedMethod, response: Buffer): Buffer {
  return Buffer.from(encodeResponse(name, decodePresent(name, response)));
}
