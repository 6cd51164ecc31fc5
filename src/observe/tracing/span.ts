/**
 * A span that has ended, as plain data. Attributes follow OpenTelemetry's conventions for RPCs, and those of the proxy itself
 * begin with `etcd_bulkhead.`. A span never contains a value, and a key only if keys may be logged.
 * https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
 */
import type { Method } from '../../etcd/methods.ts';
import { Code } from '../../grpc/status.ts';

export type AttributeValue = string | number | boolean;

export interface Span {
  /** `service/method`. */
  readonly name: string;
  readonly kind: 'server' | 'client';
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  /** Whether the parent is a span of the client. */
  readonly isParentRemote: boolean;
  readonly state: string;
  /** Since the epoch, with a fraction. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly isError: boolean;
  /** Why, for a span that is an error. */
  readonly text: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export function rpcAttributes(
  { service, rpc }: Method,
  code: number,
): Record<string, AttributeValue> {
  return {
    'rpc.system': 'grpc',
    'rpc.service': service,
    'rpc.method': rpc,
    'rpc.grpc.status_code': code,
  };
}

/** The codes that say that a server has failed. Any other one may be what its client deserves. */
const serverErrors: ReadonlySet<number> = new Set([
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.UNIMPLEMENTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
  Code.DATA_LOSS,
]);

export function isErrorOf(kind: Span['kind'], code: number): boolean {
  return kind === 'client' ? code !== Code.OK : serverErrors.has(code);
}
