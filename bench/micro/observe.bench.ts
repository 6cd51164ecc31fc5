/**
 * The cost of what observes a unary call: the layer alone, with the advice, and with the access log. Medians over many short
 * rounds, in one process, without I/O. The layer below ends each call at once. Run it on an idle machine:
 *
 *   node bench/micro/observe.bench.ts
 */
import type { Message } from '../../src/call/call.ts';
import { accessLog } from '../../src/observe/access-log.ts';
import { Advice } from '../../src/observe/advice/advice.ts';
import { requestKeys } from '../../src/observe/advice/request-keys.ts';
import { TenantTraffic } from '../../src/observe/advice/tenant-traffic.ts';
import { AuditLog, auditedCalls } from '../../src/observe/audit-log.ts';
import { CallCounters } from '../../src/observe/call-counters.ts';
import { allOf, type CallEvents, noCallEvents } from '../../src/observe/events.ts';
import { keyText } from '../../src/observe/key-text.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { observe } from '../../src/observe/observe.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { Traffic } from '../../src/tenant/traffic.ts';
import { callOf, testTenant } from '../../test/support/test-call.ts';
import { putRequest } from '../messages.ts';
import { heading, measure } from './measure.ts';
import { above, below } from './neighbours.ts';

const request = putRequest('players/1/state', Buffer.alloc(256)) as Uint8Array as Message<'tenant'>;
const clock = systemClock;
const random = systemRandom;
const logger = createLogger('info', {}, { write: () => {} });

const call = callOf('etcdserverpb.KV/Put', { tenant: testTenant() });

function observed(name: string, events: CallEvents): void {
  const layer = observe({ clock, counters: new CallCounters(), events })(below);
  measure(name, request.length, () => {
    layer.unary(call, request, above);
  });
}

const audit = auditedCalls(new AuditLog(logger, clock, () => {}), () => '');
const advice = new Advice({ clock, random, logger, keys: null, isCurrent: () => true });
const access = (keys: 'off' | 'truncated') =>
  accessLog({
    ...{ logger, clock, random, keys: keyText(keys), onSuppressed: () => {} },
    config: { mode: 'sampled', slowMs: 1_000, sampleOneOf: 100, linesPerSecondMax: 100 },
  });

heading('a put of 256 B through the layer');
observed('without hooks', noCallEvents);
observed('with the audit log', audit);
observed('… and the advice', allOf([audit, advice.events]));
observed('… and the access log', allOf([audit, advice.events, access('off')]));
observed('… with keys in the log', allOf([audit, advice.events, access('truncated')]));
advice.close();

heading('the counts of its tenant');
const counts = new Traffic();
measure('one call', request.length, () => {
  counts.calls += 1;
  counts.requestBytes += request.length;
  counts.responseBytes += 40;
  counts.durations.record(counts.calls % 97, 0);
});

heading('one sample');
const traffic = new TenantTraffic();
let index = 0;
measure('of a key that has a counter', request.length, () => {
  traffic.add({ weight: 1, keys: requestKeys('PutRequest', request), watches: null }, 300);
});
measure('of a key that takes over a counter', request.length, () => {
  index += 1;
  const keys = [{ text: `players/${index}/state`, isRange: false, isWrite: true }];
  traffic.add({ weight: 1, keys, watches: null }, 300);
});
