import { describe, expect, test } from 'vitest';
import { FairQueue, type QueuedCall } from '../../../src/guard/fair-queue.ts';
import { TenantState } from '../../../src/tenant/state.ts';
import { Seeded } from '../../support/seeded.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => new TenantState(name)) as [
  TenantState,
  TenantState,
  TenantState,
];

function setUp(inFlightMax: number, bounds = { queuedCallsMax: 1_000, queuedBytesMax: 10_000 }) {
  const queue = new FairQueue({ ...bounds, inFlightMax });
  /** Names of the calls that were let go, in order. */
  const sent: string[] = [];
  const enqueue = (name: string, tenant: TenantState, onTurn = () => {}): QueuedCall | null => {
    const call = {
      onTurn: () => {
        sent.push(name);
        onTurn();
      },
    };
    return queue.enqueue(call, tenant, 1) ? call : null;
  };
  return { queue, sent, enqueue };
}

test('calls enter until the limit is reached', () => {
  const { queue } = setUp(2);
  expect([queue.enter(), queue.enter(), queue.enter()]).toEqual([true, true, false]);
  queue.leave();
  expect(queue.enter()).toBe(true);
  expect(queue.inFlight).toBe(2);
});

test('tenants take turns, however many calls each has', () => {
  const { queue, sent, enqueue } = setUp(1);
  queue.enter();
  for (let i = 0; i < 4; i++) enqueue(`a${i}`, a);
  enqueue('b0', b);
  enqueue('c0', c);
  enqueue('b1', b);
  for (let i = 0; i < 7; i++) queue.leave();
  expect(sent).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'a3']);
});

test('a call does not overtake those that wait', () => {
  const { queue, enqueue } = setUp(2);
  queue.enter();
  queue.enter();
  enqueue('a', a);
  queue.leave();
  expect(queue.inFlight).toBe(2);
  expect(queue.enter()).toBe(false);
});

test('a removed call is not let go', () => {
  const { queue, sent, enqueue } = setUp(1);
  queue.enter();
  const first = enqueue('a0', a);
  enqueue('a1', a);
  if (first !== null) queue.remove(first);
  expect(queue.queuedCalls).toBe(1);
  queue.leave();
  expect(sent).toEqual(['a1']);
});

test.each([
  ['calls', { queuedCallsMax: 2, queuedBytesMax: 1_000 }],
  ['bytes', { queuedCallsMax: 1_000, queuedBytesMax: 2 }],
])('the queue is bounded in %s', (_what, bounds) => {
  const { queue, enqueue } = setUp(1, bounds);
  queue.enter();
  expect([enqueue('a', a), enqueue('b', b), enqueue('c', c)].map((call) => call !== null)).toEqual([
    true,
    true,
    false,
  ]);
  queue.leave();
  expect(enqueue('c', c)).not.toBeNull();
});

test('calls that end as soon as they are let go do not nest', () => {
  const { queue, sent, enqueue } = setUp(1, { queuedCallsMax: 20_000, queuedBytesMax: 20_000 });
  queue.enter();
  for (let i = 0; i < 20_000; i++) enqueue(`${i}`, a, () => queue.leave());
  queue.leave();
  expect(sent).toHaveLength(20_000);
  expect([queue.inFlight, queue.queuedCalls]).toEqual([0, 0]);
});

describe('in any order of events', () => {
  test.each([1, 2, 3])(
    'no call is lost or let go twice, and places are used while calls wait (SEED=%d)',
    (seed) => {
      const random = new Seeded(seed);
      const inFlightMax = 3;
      const { queue, sent, enqueue } = setUp(inFlightMax);
      const waiting = new Map<string, QueuedCall>();
      const gone = new Set<string>();
      let flying = 0;
      for (let i = 0; i < 20_000; i++) {
        const dice = random.below(10);
        if (dice < 5) {
          const tenant = random.pick([a, a, a, a, b, c]);
          if (queue.enter()) flying += 1;
          else {
            const name = `${tenant.tenantName}${i}`;
            const call = enqueue(name, tenant);
            if (call !== null) waiting.set(name, call);
          }
        } else if (dice < 9 && flying > 0) {
          flying -= 1;
          const before = sent.length;
          queue.leave();
          for (const name of sent.slice(before)) {
            flying += 1;
            expect(gone.has(name)).toBe(false);
            gone.add(name);
            waiting.delete(name);
          }
        } else if (waiting.size > 0 && dice === 9) {
          const [name, call] = random.pick([...waiting]);
          queue.remove(call);
          gone.add(name);
          waiting.delete(name);
        }
        expect(queue.inFlight).toBe(flying);
        expect(queue.queuedCalls).toBe(waiting.size);
        if (waiting.size > 0) expect(flying).toBe(inFlightMax);
      }
    },
  );
});
