/**
 * Whether etcd serves this proxy, for /health on the admin address: the members have a leader, and a read succeeds, as in etcd's
 * own proxy (server/proxy/grpcproxy/health.go). The read has the proxy's own identity, and no tenant's.
 */
import type { HealthReport } from '../admin/reports.ts';
import { Call, type Etcd, type Message } from '../call/call.ts';
import { method } from '../etcd/methods.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { Peer } from '../grpc/transport.ts';
import { Writer } from '../protobuf/writer.ts';
import type { Clock } from '../runtime/clock.ts';

/** Shorter than the primary process waits for a worker. */
const timeoutMs = 800;

const range = method('etcdserverpb.KV/Range');
const ownPeer: Peer = { listener: '', remote: '', certificate: null };
/** A count of one key, which need not exist. */
const request = new Writer()
  .string(1, 'health')
  .bool(8, true)
  .finish() as unknown as Message<'store'>;

/** A server that rejects the reader works. With authentication the proxy may have no user. */
const provingCodes: ReadonlySet<number> = new Set([
  ...[Code.OK, Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.INVALID_ARGUMENT],
]);

/** Never rejects. */
export function upstreamHealth(
  upstream: Etcd<'store'> & { snapshot(): readonly { readonly state: string }[] },
  clock: Clock,
): Promise<HealthReport> {
  if (!upstream.snapshot().some(({ state }) => state === 'ready')) {
    return Promise.resolve({ isHealthy: false, reason: 'RAFT NO LEADER' });
  }
  return new Promise((resolve) => {
    const response = new CollectedResponse((status) => resolve(reportOf(status)));
    const deadlineMs = clock.nowMs() + timeoutMs;
    const call = new Call({ method: range, metadata: [], deadlineMs, peer: ownPeer });
    upstream.unary(call, request, response);
  });
}

function reportOf({ code, text }: Status): HealthReport {
  if (provingCodes.has(code)) return { isHealthy: true, reason: '' };
  return { isHealthy: false, reason: `GET ERROR:${text}` };
}
