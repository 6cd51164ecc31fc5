/**
 * Why a request head starts no call. Codes, HTTP statuses and texts are those of the gRPC library in the newest etcd (3.7),
 * which older releases differ from: 3.4 resets such streams, or does not check. Order of the checks: see `requestHead`.
 * https://github.com/grpc/grpc-go/blob/master/internal/transport/http2_server.go (operateHeaders)
 */
import { HeaderTemplate } from '../../http2/hpack/encoder.ts';
import { percentEncode } from '../percent-encoding.ts';
import { Code } from '../status.ts';
import type { ServedMethod } from '../transport.ts';
import { contentTypeOf } from './content-type.ts';
import { fromUtf8, quoted } from './go-text.ts';

export interface HeadRefusal {
  readonly httpStatus: number;
  readonly code: number;
  readonly text: string;
  /** The client used an encoding that is not supported. The response names those that are. */
  readonly isEncoding?: boolean;
}

/** The only head of the response. The HTTP status of a head that is not a gRPC call cannot be mistaken for success. */
export function refusalHead(refusal: HeadRefusal, subtype: string): HeaderTemplate {
  const { httpStatus, code, text, isEncoding } = refusal;
  const fields = [':status', String(httpStatus), 'content-type', contentTypeOf(subtype)];
  fields.push('grpc-status', String(code), 'grpc-message', percentEncode(text));
  if (isEncoding === true) fields.push('grpc-accept-encoding', 'identity,gzip');
  return new HeaderTemplate(fields, false);
}

export const noAuthority = badRequest('no host or :authority header present');

export function severalHosts(authorities: number, hosts: number): HeadRefusal {
  return badRequest(
    `num values of :authority: ${authorities}, num values of host: ${hosts}, both must only have 1 value as per HTTP/2 spec`,
  );
}

export function notGrpc(contentType: string): HeadRefusal {
  const text = `invalid gRPC request content-type ${quoted(contentType)}`;
  return { httpStatus: 415, code: Code.INVALID_ARGUMENT, text };
}

/** For a request that is not gRPC, on a connection that serves such requests. */
export function plainHeadTooLarge(bytes: number, bytesMax: number): HeadRefusal {
  const text = `request head larger than max (${bytes} vs. ${bytesMax})`;
  return { httpStatus: 431, code: Code.RESOURCE_EXHAUSTED, text };
}

export function notPost(method: string): HeadRefusal {
  const text = `Received a HEADERS frame with :method ${quoted(method)} which should be POST`;
  return { httpStatus: 405, code: Code.INTERNAL, text };
}

/** For a `grpc-timeout` that `parseTimeout` does not accept. */
export function malformedTimeout(timeout: string): HeadRefusal {
  return badRequest(`malformed grpc-timeout: ${timeoutFault(timeout)}`);
}

function timeoutFault(timeout: string): string {
  if (timeout.length < 2) return `transport: timeout string is too short: ${quoted(timeout)}`;
  if (timeout.length > 9) return `transport: timeout string is too long: ${quoted(timeout)}`;
  if (!/[HMSmun]$/.test(timeout)) {
    return `transport: timeout unit is not recognized: ${quoted(timeout)}`;
  }
  return `strconv.ParseUint: parsing ${quoted(timeout.slice(0, -1))}: invalid syntax`;
}

/** For the value of a name that ends in `-bin`; null if it is valid base64, with padding or without. */
export function malformedBinary(name: string, value: string): HeadRefusal | null {
  const at = illegalBase64At(value);
  if (at < 0) return null;
  return badRequest(
    `malformed binary metadata ${quoted(value)} in header ${quoted(name)}: illegal base64 data at input byte ${at}`,
  );
}

/** The offset that Go's encoding/base64 reports, or -1. Values are padded if their length is a multiple of four. */
function illegalBase64At(value: string): number {
  const { length } = value;
  const legal = /^[A-Za-z0-9+/]*/.exec(value)?.[0].length ?? 0;
  if (length % 4 !== 0) {
    if (legal < length) return legal;
    return length % 4 === 1 ? length - 1 : -1;
  }
  if (legal === length) return -1;
  const position = legal % 4;
  if (value[legal] !== '=' || position < 2) return legal;
  if (position === 2 && value[legal + 1] !== '=') return legal;
  const end = legal + 4 - position;
  return end === length ? -1 : end;
}

export function unknownEncoding(encoding: string): HeadRefusal {
  const text = `grpc: Decompressor is not installed for grpc-encoding ${quoted(encoding)}`;
  return { httpStatus: 200, code: Code.UNIMPLEMENTED, text, isEncoding: true };
}

/** https://github.com/grpc/grpc-go/blob/master/server.go (handleStream) */
export function unknownMethod(
  path: string,
  methods: ReadonlyMap<string, ServedMethod>,
): HeadRefusal {
  return { httpStatus: 200, code: Code.UNIMPLEMENTED, text: unknownMethodText(path, methods) };
}

function unknownMethodText(path: string, methods: ReadonlyMap<string, ServedMethod>): string {
  const slash = path.lastIndexOf('/');
  if (!path.startsWith('/') || slash === 0) return `malformed method name: ${quoted(path)}`;
  const service = path.slice(1, slash);
  for (const known of methods.keys()) {
    if (known.startsWith(`/${service}/`)) {
      return `unknown method ${fromUtf8(path.slice(slash + 1))} for service ${service}`;
    }
  }
  return `unknown service ${fromUtf8(service)}`;
}

function badRequest(text: string): HeadRefusal {
  return { httpStatus: 400, code: Code.INTERNAL, text };
}
