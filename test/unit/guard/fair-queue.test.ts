import { describe, expect, test } from 'vitest';
import { FairQueue, type QueuedCall } from '../../../src/guard/fair-queue.ts';
import { TenantState } from '../../../src/tenant/state.ts';
import { Seeded } from '../../support/seeded.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => new TenantState(name)) as [
  TenantState,
  TenantState,
  TenantState,
];

interface Bounds {
  readonly tenantWeightMax?: number;
  readonly queuedCallsMax?: number;
  readonly queuedBytesMax?: number;
}

function setUp(weightMax: number, bounds: Bounds = {}) {
  const queue = new FairQueue({
    weightMax,
    tenantWeightMax: Number.POSITIVE_INFINITY,
    queuedCallsMax: 1_000,
    queuedBytesMax: 10_000,
    ...bounds,
  });
  /** Names of the calls that were let go, in order. */
  const sent: string[] = [];
  const enqueue = (
    name: string,
    tenant: TenantState,
    onTurn = () => {},
    weight = 1,
  ): QueuedCall | null => {
    const call = {
      weight,
      entersAlone: false,
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
  expect([queue.enter(a, 1), queue.enter(a, 1), queue.enter(a, 1)]).toEqual([true, true, false]);
  queue.leave(a, 1);
  expect(queue.enter(a, 1)).toBe(true);
  expect(queue.weight).toBe(2);
});

test('tenants take turns, however many calls each has', () => {
  const { queue, sent, enqueue } = setUp(1);
  queue.enter(a, 1);
  for (let i = 0; i < 4; i++) enqueue(`a${i}`, a);
  enqueue('b0', b);
  enqueue('c0', c);
  enqueue('b1', b);
  for (let i = 0; i < 7; i++) queue.leave(a, 1);
  expect(sent).toEqual(['a0', 'b0', 'c0', 'a1', 'b1', 'a2', 'a3']);
});

test('a call does not overtake those that wait', () => {
  const { queue, enqueue } = setUp(2);
  queue.enter(a, 1);
  queue.enter(a, 1);
  enqueue('a', a);
  queue.leave(a, 1);
  expect(queue.weight).toBe(2);
  expect(queue.enter(a, 1)).toBe(false);
});

test('a removed call is not let go', () => {
  const { queue, sent, enqueue } = setUp(1);
  queue.enter(a, 1);
  const first = enqueue('a0', a);
  enqueue('a1', a);
  if (first !== null) queue.remove(first);
  expect(queue.queuedCalls).toBe(1);
  queue.leave(a, 1);
  expect(sent).toEqual(['a1']);
});

test.each([
  ['calls', { queuedCallsMax: 2, queuedBytesMax: 1_000 }],
  ['bytes', { queuedCallsMax: 1_000, queuedBytesMax: 2 }],
])('the queue is bounded in %s', (_what, bounds) => {
  const { queue, enqueue } = setUp(1, bounds);
  queue.enter(a, 1);
  expect([enqueue('a', a), enqueue('b', b), enqueue('c', c)].map((call) => call !== null)).toEqual([
    true,
    true,
    false,
  ]);
  queue.leave(a, 1);
  expect(enqueue('c', c)).not.toBeNull();
});

test('calls that end as soon as they are let go do not nest', () => {
  const { queue, sent, enqueue } = setUp(1, { queuedCallsMax: 20_000, queuedBytesMax: 20_000 });
  queue.enter(a, 1);
  for (let i = 0; i < 20_000; i++) enqueue(`${i}`, a, () => queue.leave(a, 1));
  queue.leave(a, 1);
  expect(sent).toHaveLength(20_000);
  expect([queue.weight, queue.queuedCalls]).toEqual([0, 0]);
});

describe('calls of different weights', () => {
  test('enter while their sum fits', () => {
    const { queue, sent, enqueue } = setUp(10);
    expect([queue.enter(a, 6), queue.enter(a, 5), queue.enter(b, 4)]).toEqual([true, false, true]);
    enqueue('a5', a, undefined, 5);
    queue.leave(b, 4);
    expect(sent).toEqual([]);
    queue.leave(a, 6);
    expect(sent).toEqual(['a5']);
    expect(queue.weight).toBe(5);
  });

  test('a call that is heavier than the bound enters alone', () => {
    const { queue, sent, enqueue } = setUp(10);
    expect(queue.enter(a, 50)).toBe(true);
    enqueue('b50', b, undefined, 50);
    enqueue('c1', c, undefined, 1);
    queue.leave(a, 50);
    expect(sent).toEqual(['b50']);
    queue.leave(b, 50);
    expect(sent).toEqual(['b50', 'c1']);
  });

  test('a heavy call is not overtaken by light ones of other tenants', () => {
    const { queue, sent, enqueue } = setUp(10);
    queue.enter(a, 6);
    enqueue('b8', b, undefined, 8);
    enqueue('c1', c, undefined, 1);
    expect(queue.enter(c, 1)).toBe(false);
    queue.leave(a, 6);
    expect(sent).toEqual(['b8', 'c1']);
  });

  test('the removal of a heavy call lets those behind it go', () => {
    const { queue, sent, enqueue } = setUp(10);
    queue.enter(a, 6);
    const heavy = enqueue('b8', b, undefined, 8);
    enqueue('c1', c, undefined, 1);
    if (heavy !== null) queue.remove(heavy);
    expect(sent).toEqual(['c1']);
  });

  test('a call that enters alone waits for those of its tenant only', () => {
    const { queue, sent } = setUp(10);
    queue.enter(a, 1);
    for (const [name, tenant] of [
      ['a', a],
      ['b', b],
    ] as const) {
      queue.enqueue({ weight: 1, entersAlone: true, onTurn: () => sent.push(name) }, tenant, 1);
    }
    expect(sent).toEqual(['b']);
    expect(queue.enter(b, 1, true)).toBe(false);
    queue.leave(a, 1);
    expect(sent).toEqual(['b', 'a']);
  });

  test('a tenant whose own bound is reached does not hold up others', () => {
    const { queue, sent, enqueue } = setUp(10, { tenantWeightMax: 5 });
    expect([queue.enter(a, 4), queue.enter(a, 4)]).toEqual([true, false]);
    enqueue('a4', a, undefined, 4);
    enqueue('b4', b, undefined, 4);
    expect(sent).toEqual(['b4']);
    queue.leave(b, 4);
    expect(sent).toEqual(['b4']);
    queue.leave(a, 4);
    expect(sent).toEqual(['b4', 'a4']);
  });
});

describe('in any order of events', () => {
  test.each([1, 2, 3])(
    'no call is lost or let go twice, and no call waits that fits (SEED=%d)',
    (seed) => {
      const random = new Seeded(seed);
      const weightMax = 10;
      const tenantWeightMax = 6;
      const { queue, sent, enqueue } = setUp(weightMax, { tenantWeightMax });
      interface Known {
        readonly tenant: TenantState;
        readonly weight: number;
        readonly call: QueuedCall | null;
      }
      const waiting = new Map<string, Known>();
      const flying = new Map<string, Known>();
      const weightOf = (of: (known: Known) => boolean) =>
        [...flying.values()].filter(of).reduce((sum, { weight }) => sum + weight, 0);
      const noteSent = () => {
        for (const name of sent.splice(0)) {
          const known = waiting.get(name);
          expect(known).toBeDefined();
          waiting.delete(name);
          if (known !== undefined) flying.set(name, known);
        }
      };
      for (let i = 0; i < 5_000; i++) {
        const dice = random.below(10);
        if (dice < 5) {
          const tenant = random.pick([a, a, a, a, b, c]);
          const weight = 1 + random.below(4);
          const name = `${tenant.tenantName}${i}`;
          if (queue.enter(tenant, weight)) flying.set(name, { tenant, weight, call: null });
          else {
            // Before the call is added, because it may be let go at once.
            waiting.set(name, { tenant, weight, call: null });
            const call = enqueue(name, tenant, undefined, weight);
            if (call === null) waiting.delete(name);
            else if (sent.length === 0) waiting.set(name, { tenant, weight, call });
          }
        } else if (dice < 9 && flying.size > 0) {
          const [name, { tenant, weight }] = random.pick([...flying]);
          flying.delete(name);
          queue.leave(tenant, weight);
        } else if (waiting.size > 0 && dice === 9) {
          const [name, { call }] = random.pick([...waiting]);
          waiting.delete(name);
          if (call !== null) queue.remove(call);
        }
        noteSent();
        expect(queue.weight).toBe(weightOf(() => true));
        expect(queue.queuedCalls).toBe(waiting.size);
        expect(queue.weight).toBeLessThanOrEqual(weightMax);
        const firstOfEach = new Map<TenantState, number>();
        for (const { tenant, weight } of waiting.values()) {
          if (!firstOfEach.has(tenant)) firstOfEach.set(tenant, weight);
        }
        const mayGo = [...firstOfEach].filter(
          ([tenant, weight]) =>
            weightOf((known) => known.tenant === tenant) + weight <= tenantWeightMax,
        );
        // At least the next one of them does not fit. The others do not overtake it.
        if (mayGo.length > 0) {
          expect(Math.max(...mayGo.map(([, weight]) => queue.weight + weight))).toBeGreaterThan(
            weightMax,
          );
        }
      }
    },
  );
});
