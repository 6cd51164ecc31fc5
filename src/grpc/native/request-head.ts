/**
 * The head of an incoming request: its method, metadata and timeout, or the reason to reject it. The result is kept in the
 * header list, so that a header block that repeats is read once per connection.
 */
import type { HeaderList } from '../../http2/hpack/header-list.ts';
import type { Metadata } from '../metadata.ts';
import { parseTimeout } from '../timeout.ts';
import type { ServedMethod } from '../transport.ts';
import { contentSubtype } from './content-type.ts';
import {
  type HeadRefusal,
  malformedBinary,
  malformedTimeout,
  noAuthority,
  notGrpc,
  notPost,
  severalHosts,
  unknownEncoding,
  unknownMethod,
} from './head-refusal.ts';

export class ParsedHead<M extends ServedMethod> {
  method: M | null = null;
  metadata: Metadata = [];
  timeoutMs = Number.POSITIVE_INFINITY;
  /** Whether `content-type` is that of gRPC. */
  isGrpc = false;
  /** The format in `content-type`, which the response repeats. */
  subtype = '';
  authority = '';
  /** Messages may be compressed. */
  isGzip = false;
  /** Set if `method` is null. */
  refusal: HeadRefusal | null = null;
}

/** Reads `list`. `methods` must be the same for all calls of a connection. */
export function requestHead<M extends ServedMethod>(
  list: HeaderList,
  methods: ReadonlyMap<string, M>,
): ParsedHead<M> {
  if (list.memo !== null) return list.memo as ParsedHead<M>;
  const head = new ParsedHead<M>();
  list.memo = head;
  const metadata: string[] = [];
  let contentType = '';
  let encoding = '';
  let hosts = 0;
  let host = '';
  let malformed: HeadRefusal | null = null;
  const { fields } = list;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const value = fields[i + 1] ?? '';
    switch (name) {
      case 'content-type': {
        const subtype = contentSubtype(value);
        if (subtype === null) contentType = value;
        else {
          head.isGrpc = true;
          head.subtype = subtype;
        }
        break;
      }
      case 'grpc-timeout':
        head.timeoutMs = parseTimeout(value);
        if (Number.isNaN(head.timeoutMs)) malformed = malformedTimeout(value);
        break;
      case 'grpc-encoding':
        encoding = value;
        break;
      // Fields of the transport itself, which layers must not forward.
      case 'te':
      case 'content-length':
      case 'grpc-accept-encoding':
      case 'accept-encoding':
        break;
      default:
        if (name === 'host') {
          hosts += 1;
          host = value;
        }
        if (name.endsWith('-bin')) malformed = malformedBinary(name, value) ?? malformed;
        metadata.push(name, value);
    }
  }
  head.metadata = metadata;
  head.authority = list.authority || host;
  // In grpc-go's order.
  if (hosts > 1) head.refusal = severalHosts(list.hasAuthority ? 1 : 0, hosts);
  else if (!head.isGrpc) head.refusal = notGrpc(contentType);
  else if (malformed !== null) head.refusal = malformed;
  else if (hosts === 0 && !list.hasAuthority) head.refusal = noAuthority;
  else if (list.method !== 'POST') head.refusal = notPost(list.method);
  else head.method = methods.get(list.path) ?? null;
  if (head.refusal === null && head.method === null) {
    head.refusal = unknownMethod(list.path, methods);
  } else if (encoding === 'gzip') head.isGzip = true;
  else if (head.method !== null && encoding !== '' && encoding !== 'identity') {
    head.refusal = unknownEncoding(encoding);
    head.method = null;
  }
  return head;
}
