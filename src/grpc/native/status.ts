/**
 * The status of an outgoing call, from its HTTP/2 trailers or from the way its stream ended. Trailers are passed on verbatim.
 * A reset stream or a lost connection is Unavailable, with an origin that states whether the call may be sent again. HTTP/2's
 * error codes are not mapped to gRPC codes: after Canceled, for example, some client libraries would repeat a call that may
 * have been processed.
 */
import { ErrorCode, errorName } from '../../http2/frame.ts';
import type { HeaderList } from '../../http2/hpack/header-list.ts';
import { nodeHttp } from '../../runtime/node-http.ts';
import { metadataValue, noMetadata } from '../metadata.ts';
import { percentDecode } from '../percent-encoding.ts';
import { Code, ok, type Status, status } from '../status.ts';
import { isGrpcContentType } from './content-type.ts';

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
const codeOfHttp: Readonly<Record<number, number>> = {
  400: Code.INTERNAL,
  401: Code.UNAUTHENTICATED,
  403: Code.PERMISSION_DENIED,
  404: Code.UNIMPLEMENTED,
  429: Code.UNAVAILABLE,
  502: Code.UNAVAILABLE,
  503: Code.UNAVAILABLE,
  504: Code.UNAVAILABLE,
};

/** The status in `trailers`. It is kept in the header list, so that a header block that repeats is read once. */
export function statusOf(trailers: HeaderList): Status {
  if (trailers.memo !== null) return trailers.memo as Status;
  const read = readStatus(trailers);
  trailers.memo = read;
  return read;
}

function readStatus({ fields }: HeaderList): Status {
  let code = '';
  let text = '';
  const rest: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const value = fields[i + 1] ?? '';
    if (name === 'grpc-status') code = value;
    else if (name === 'grpc-message') text = percentDecode(value);
    else if (name !== 'content-type') rest.push(name, value);
  }
  // The peer may send any number. A missing or malformed one is Unknown.
  if (code === '') return status(Code.UNKNOWN, 'no grpc-status in the trailers', 'peer', rest);
  if (!/^\d{1,9}$/.test(code)) return status(Code.UNKNOWN, text, 'peer', rest);
  if (code === '0' && text === '' && rest.length === 0) return ok;
  return status(Number(code), text, 'peer', rest.length === 0 ? noMetadata : rest);
}

/** Returns null if `head` begins a gRPC response; otherwise the status for a plain HTTP response. */
export function plainHttpStatus(head: HeaderList): Status | null {
  const contentType = metadataValue(head.fields, 'content-type') ?? '';
  if (head.status === 200 && isGrpcContentType(contentType)) return null;
  const reasons: string[] = [];
  if (head.status !== 200) {
    const reason = `${head.status} (${nodeHttp().STATUS_CODES[head.status] ?? ''})`;
    reasons.push(`unexpected HTTP status code received from server: ${reason}`);
  }
  if (!isGrpcContentType(contentType)) {
    reasons.push(`transport: received unexpected content-type "${contentType}"`);
  }
  const code = codeOfHttp[head.status] ?? Code.UNKNOWN;
  return status(code, reasons.join('; '), 'peer');
}

/** The stream was reset with `code`. RFC 9113, section 8.7: the peer has not processed a refused stream. */
export function resetStatus(code: number, hasHeaders: boolean): Status {
  const isUnsent = code === ErrorCode.REFUSED_STREAM && !hasHeaders;
  const text = `stream terminated by RST_STREAM with error code: ${errorName(code)}`;
  return status(Code.UNAVAILABLE, text, isUnsent ? 'unsent' : 'lost');
}
