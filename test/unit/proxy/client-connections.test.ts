import { expect, test } from 'vitest';
import { createLogger } from '../../../src/observe/logger.ts';
import { clientConnections } from '../../../src/proxy/client-connections.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { listenerConfig } from '../../support/tenancy.ts';

const pem = Buffer.alloc(0);
const tlsListener = listenerConfig('tls', {
  tls: { certificate: pem, key: pem, clientAuthorities: null },
});
const noLimit = Number.POSITIVE_INFINITY;

function made(connectionsMax: number, permitted: number, memory = noLimit, more = {}) {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger('info', {}, { write: (line) => lines.push(JSON.parse(line)) });
  const clock = new ManualClock();
  const limits = {
    ...{
      messageBytesMax: 1,
      streamsMax: 1,
      inFlightMax: 1,
      readBytesMax: 1,
      messageMemoryBytes: 0,
      keepAlive: { minTimeMs: 5_000, intervalMs: 7_200_000, timeoutMs: 20_000 },
    },
    connectionsMax,
  };
  const config = { limits, listeners: [listenerConfig('main')], workers: 1, ...more };
  const connections = clientConnections(config, logger, clock, permitted, memory);
  return { connections, clock, lines };
}

test.each([
  ['as configured', 100, 500, 100],
  ['as many as the descriptors permit', 0, 500, 500],
  ['at most 32768 by default', 0, noLimit, 32_768],
  ['more if that is configured and permitted', 40_000, 50_000, 40_000],
])('the limit of client connections is %s', (_, configured, permitted, limit) => {
  const { connections, lines } = made(configured, permitted);
  expect(connections.connectionsMax).toBe(limit);
  expect(lines).toEqual([]);
});

test.each([
  ['16 KiB', {}, 4_096],
  ['64 KiB with TLS', { listeners: [listenerConfig('plain'), tlsListener] }, 1_024],
  ['as many for all workers together', { workers: 4 }, 1_024],
])('by default a connection has %s of a quarter of the memory', (_, more, limit) => {
  expect(made(0, noLimit, 256 << 20, more).connections.connectionsMax).toBe(limit);
  expect(made(5_000, noLimit, 256 << 20, more).connections.connectionsMax).toBe(5_000);
});

test('a configured limit that the descriptors do not permit is lowered with a warning', () => {
  const { connections, lines } = made(1_000, 500);
  expect(connections.connectionsMax).toBe(500);
  expect(lines).toMatchObject([
    { level: 'warn', event: 'too few file descriptors', 'max-connections': 1_000, permitted: 500 },
  ]);
});

test('a limit that is reached is logged every ten seconds, with the number of suppressed lines', () => {
  const { connections, clock, lines } = made(100, 500);
  for (let i = 0; i < 5; i++) connections.notAccepted('a:1');
  clock.advance(10_000);
  connections.notAccepted('b:1');
  expect(lines).toMatchObject([
    { level: 'warn', event: 'connection limit', reason: 'descriptors', listener: 'a:1' },
    { event: 'connection limit', reason: 'descriptors', listener: 'b:1', suppressed: 4 },
  ]);
});
