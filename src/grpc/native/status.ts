/**
 * How a call of ours ended, from what HTTP/2 says about it. Trailers are the peer's word. Everything else (a reset, a
 * lost connection) is Unavailable with an origin that says whether the call may be sent again: HTTP/2's reasons, such as
 * CANCEL, would reach clients as codes on which some of them send again what may have been done.
 */
import { STATUS_CODES } from 'node:http';
import { ErrorCode, errorName } from '../../http2/frame.ts';
import type { HeaderList } from '../../http2/hpack/header-list.ts';
import { metadataValue, noMetadata } from '../metadata.ts';
import { percentDecode } from '../percent-encoding.ts';
import { Code, ok, type Status, status } from '../status.ts';
import { isGrpcContentType } from './request-head.ts';

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

/** What the trailers say. Read once per header block, like every head. */
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
  // A peer may send any number; one that is none, or none at all, is a broken peer.
  if (code === '') return status(Code.UNKNOWN, 'no grpc-status in the trailers', 'peer', rest);
  if (!/^\d{1,9}$/.test(code)) return status(Code.UNKNOWN, text, 'peer', rest);
  if (code === '0' && text === '' && rest.length === 0) return ok;
  return status(Number(code), text, 'peer', rest.length === 0 ? noMetadata : rest);
}

/** Null when `head` begins the answer to a call; else the status that a plain HTTP answer amounts to. */
export function plainHttpStatus(head: HeaderList): Status | null {
  const contentType = metadataValue(head.fields, 'content-type') ?? '';
  if (head.status === 200 && isGrpcContentType(contentType)) return null;
  const reasons: string[] = [];
  if (head.status !== 200) {
    const words = `${head.status} (${STATUS_CODES[head.status] ?? ''})`;
    reasons.push(`unexpected HTTP status code received from server: ${words}`);
  }
  if (!isGrpcContentType(contentType)) {
    reasons.push(`transport: received unexpected content-type "${contentType}"`);
  }
  const code = codeOfHttp[head.status] ?? Code.UNKNOWN;
  return status(code, reasons.join('; '), 'peer');
}

/** The stream was reset with `code`. RFC 9113, section 8.7: a refused stream was not acted on. */
export function resetStatus(code: number, hasHeaders: boolean): Status {
  const isUnsent = code === ErrorCode.REFUSED_STREAM && !hasHeaders;
  const text = `stream terminated by RST_STREAM with error code: ${errorName(code)}`;
  return status(Code.UNAVAILABLE, text, isUnsent ? 'unsent' : 'lost');
}
