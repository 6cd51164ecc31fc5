/** Limits on what clients may send. */
import type { ClientKeepAlive } from '../../grpc/connection-policy.ts';
import type { Settings } from '../schema.ts';

export interface LimitsConfig {
  /** Size of one message from a client. Like etcd's own limit: --max-request-bytes plus 512 KiB of overhead. */
  readonly messageBytesMax: number;
  /** Concurrent streams per client connection. `Infinity` announces no limit, as etcd does. */
  readonly streamsMax: number;
  /** Client connections of a process. 0: derived from its limit of file descriptors. */
  readonly connectionsMax: number;
  /** Unary calls of all tenants that are at etcd at the same time. */
  readonly inFlightMax: number;
  /** Bytes of the responses to large reads that are at etcd at the same time. */
  readonly readBytesMax: number;
  /** Memory for large messages. 0: derived from the memory limit of the container. */
  readonly messageMemoryBytes: number;
  /** Pings on connections of clients. */
  readonly keepAlive: ClientKeepAlive;
}

/** etcd's server adds this to --max-request-bytes for its receive limit (server/etcdserver/api/v3rpc/grpc.go). */
export const overheadBytes = 512 * 1024;

export function resolveLimits(settings: Settings): LimitsConfig {
  return {
    messageBytesMax: settings['max-request-bytes'] + overheadBytes,
    streamsMax: streamsMax(settings['max-concurrent-streams']),
    connectionsMax: settings['max-connections'],
    inFlightMax: settings['max-in-flight'],
    readBytesMax: settings['max-read-bytes'],
    messageMemoryBytes: settings['message-memory'],
    keepAlive: keepAlive(settings),
  };
}

/** As in etcd, 0 means the default of the gRPC library, and no interval is below a second. */
function keepAlive(settings: Settings): ClientKeepAlive {
  return {
    minTimeMs: settings['grpc-keepalive-min-time'] || 300_000,
    intervalMs: Math.max(1_000, settings['grpc-keepalive-interval'] || 7_200_000),
    timeoutMs: settings['grpc-keepalive-timeout'] || 20_000,
  };
}

/** In etcd, the largest 32-bit value means "no limit". */
function streamsMax(count: number): number {
  return count === 4_294_967_295 ? Number.POSITIVE_INFINITY : count;
}
