/**
 * Whether etcd serves this proxy, for /health on the admin address: the members have a leader, and a read succeeds, as in etcd's
 * own proxy (server/proxy/grpcproxy/health.go). The read has the proxy's own identity, and no tenant's.
 */
import type { HealthReport } from '../admin/reports.ts';
import type { Etcd } from '../call/call.ts';
import { ownUnary } from '../call/own-call.ts';
import { method } from '../etcd/methods.ts';
import { Code, type Status } from '../grpc/status.ts';
import { Writer } from '../protobuf/writer.ts';
import type { Clock } from '../runtime/clock.ts';

/** Shorter than the primary process waits for a worker. */
const timeoutMs = 800;

const range = method('etcdserverpb.KV/Range');

/** A server that rejects the reader works. With authentication the proxy may have no user. */
const provingCodes: ReadonlySet<number> = new Set([
  ...[Code.OK, Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.INVALID_ARGUMENT],
]);

/** Never rejects. */
export async function upstreamHealth(
  upstream: Etcd<'store'> & { snapshot(): readonly { readonly state: string }[] },
  clock: Clock,
): Promise<HealthReport> {
  if (!upstream.snapshot().some(({ state }) => state === 'ready')) {
    return { isHealthy: false, reason: 'RAFT NO LEADER' };
  }
  // A count of one key, which need not exist.
  const request = new Writer().string(1, 'health').bool(8, true).finish();
  const { status } = await ownUnary(upstream, range, request, clock.nowMs() + timeoutMs);
  return reportOf(status);
}

function reportOf({ code, text }: Status): HealthReport {
  if (provingCodes.has(code)) return { isHealthy: true, reason: '' };
  return { isHealthy: false, reason: `GET ERROR:${text}` };
}
