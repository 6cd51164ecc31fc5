/**
 * The head of an incoming request: its method, metadata and timeout, or the reason to reject it. The result is kept in the
 * header list, so that a header block that repeats is read once per connection.
 */
import type { HeaderList } from '../../http2/hpack/header-list.ts';
import type { Metadata } from '../metadata.ts';
import { Code } from '../status.ts';
import { parseTimeout } from '../timeout.ts';
import type { ServedMethod } from '../transport.ts';

/** The status that rejects a call before it starts. The texts are grpc-go's. */
export interface HeadRefusal {
  readonly code: number;
  readonly text: string;
}

export class ParsedHead<M extends ServedMethod> {
  /** False for an HTTP request that is not a gRPC call. */
  isGrpc = false;
  method: M | null = null;
  metadata: Metadata = [];
  timeoutMs = Number.POSITIVE_INFINITY;
  /** Set if `isGrpc` and `method` is null. */
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
  let timeout = '';
  let encoding = 'identity';
  const { fields } = list;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const value = fields[i + 1] ?? '';
    switch (name) {
      case 'content-type':
        contentType = value;
        break;
      case 'grpc-timeout':
        timeout = value;
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
        metadata.push(name, value);
    }
  }
  head.metadata = metadata;
  head.isGrpc = isGrpcContentType(contentType);
  if (!head.isGrpc) return head;
  if (timeout !== '') head.timeoutMs = parseTimeout(timeout);
  head.refusal = refusalOf(list, head.timeoutMs, timeout, encoding);
  if (head.refusal !== null) return head;
  head.method = methods.get(list.path) ?? null;
  if (head.method === null) head.refusal = unknownMethod(list.path, methods);
  return head;
}

/** Whether it is `application/grpc`, alone or followed by a format or parameters. */
export function isGrpcContentType(contentType: string): boolean {
  if (contentType === 'application/grpc') return true;
  return /^application\/grpc[+;]/i.test(contentType);
}

function refusalOf(
  list: HeaderList,
  timeoutMs: number,
  timeout: string,
  encoding: string,
): HeadRefusal | null {
  if (list.method !== 'POST') {
    const text = `Received a HEADERS frame with :method "${list.method}" which should be POST`;
    return { code: Code.INTERNAL, text };
  }
  if (Number.isNaN(timeoutMs)) {
    const text = `malformed grpc-timeout: transport: timeout string is not valid: "${timeout}"`;
    return { code: Code.INTERNAL, text };
  }
  if (encoding !== 'identity') {
    const text = `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`;
    return { code: Code.UNIMPLEMENTED, text };
  }
  return null;
}

/** https://github.com/grpc/grpc-go/blob/master/server.go (handleStream) */
function unknownMethod(path: string, methods: ReadonlyMap<string, ServedMethod>): HeadRefusal {
  const slash = path.lastIndexOf('/');
  if (!path.startsWith('/') || slash === 0) {
    return { code: Code.UNIMPLEMENTED, text: `malformed method name: "${path}"` };
  }
  const service = path.slice(1, slash);
  for (const known of methods.keys()) {
    if (known.startsWith(`/${service}/`)) {
      const text = `unknown method ${path.slice(slash + 1)} for service ${service}`;
      return { code: Code.UNIMPLEMENTED, text };
    }
  }
  return { code: Code.UNIMPLEMENTED, text: `unknown service ${service}` };
}
