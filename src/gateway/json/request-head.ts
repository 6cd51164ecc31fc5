/** The headers of a JSON request as the metadata and the deadline of a call, with grpc-gateway's rules. */
import type { Metadata } from '../../grpc/metadata.ts';
import type { HttpExchange } from '../exchange.ts';

const prefix = 'grpc-metadata-';

/** `Authorization`, and every `Grpc-Metadata-` header without its prefix. The pipeline selects what etcd gets. */
export function metadataOf({ headers }: HttpExchange): Metadata {
  let metadata: string[] | null = null;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const isPrefixed = name.startsWith(prefix);
    if (!isPrefixed && name !== 'authorization') continue;
    metadata ??= [];
    metadata.push(isPrefixed ? name.slice(prefix.length) : name, headers[i + 1] ?? '');
  }
  return metadata ?? [];
}

const unitsMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** The time of a `Grpc-Timeout` header in milliseconds, `Infinity` without one, null if it is not valid. 0 means none. */
export function timeoutMsOf(exchange: HttpExchange): number | null {
  const timeout = exchange.header('grpc-timeout') ?? '';
  if (timeout === '') return Number.POSITIVE_INFINITY;
  const match = /^([-+]?\d{1,18})([HMSmun])$/.exec(timeout);
  if (match === null) return null;
  const ms = Number(match[1]) * (unitsMs[match[2] ?? ''] ?? 0);
  return ms === 0 ? Number.POSITIVE_INFINITY : ms;
}
