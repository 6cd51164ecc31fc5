/** The memory for large messages of this process: as configured, or a part of the container's. */
import { refusal } from '../call/refusals.ts';
import type { Config } from '../config/config.ts';
import { MessageMemory } from '../grpc/message-memory.ts';
import type { Clock } from '../runtime/clock.ts';
import { memoryLimit } from '../runtime/memory-limit.ts';

/** The largest length that both the prefix of a message and a Buffer can have. etcd does not limit its responses. */
const lengthMax = 0x7fff_ffff;
const bytesMin = 32 << 20;
const bytesMax = 1 << 30;
const bytesWithoutLimit = 96 << 20;

export function messageMemory(
  { limits, tenants, workers }: Pick<Config, 'limits' | 'tenants' | 'workers'>,
  clock: Clock,
  limit = memoryLimit(),
): MessageMemory {
  const bytes = limits.messageMemoryBytes || defaultBytes(limit);
  return new MessageMemory({
    bytesMax: Math.floor(bytes / workers),
    // A response that takes half of the container is refused, because the process would not survive it.
    responseBytesMax: Math.floor(Math.min(lengthMax, limit / 2)),
    hasOneTenant: tenants.length === 1,
    clock,
    refusal: refusal('message-memory'),
  });
}

function defaultBytes(limit: number): number {
  if (limit === Number.POSITIVE_INFINITY) return bytesWithoutLimit;
  return Math.min(bytesMax, Math.max(bytesMin, Math.floor(limit / 3)));
}
