import { expect, test } from 'vitest';
import { messageMemory } from '../../../src/proxy/message-memory.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const mib = 2 ** 20;

function bytesOf(configuredMib: number, workers: number, limitMib: number): number {
  const limits = {
    messageBytesMax: 1,
    streamsMax: 1,
    inFlightMax: 1,
    readBytesMax: 1,
    connectionsMax: 0,
    messageMemoryBytes: configuredMib * mib,
    keepAlive: { minTimeMs: 5_000, intervalMs: 7_200_000, timeoutMs: 20_000 },
  };
  const { requests, responses } = messageMemory(
    { limits, tenants: [], workers },
    new ManualClock(),
    limitMib * mib,
  );
  return (requests.bytesMax + responses.bytesMax) / mib;
}

test.each([
  ['as configured', 100, 1, 192, 100],
  ['a third of the container', 0, 1, 192, 64],
  ['at least 32 MiB', 0, 1, 64, 32],
  ['at most 1 GiB', 0, 1, 65_536, 1_024],
  ['96 MiB without a limit', 0, 1, Number.POSITIVE_INFINITY, 96],
  ['in parts for workers', 0, 4, Number.POSITIVE_INFINITY, 24],
])('the memory for large messages is %s', (_, configured, workers, limit, bytes) => {
  expect(bytesOf(configured, workers, limit)).toBe(bytes);
});
