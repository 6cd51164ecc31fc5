import { describe, expect, test } from 'vitest';
import { noLimits } from '../../../src/config/sections/usage-limits.ts';
import { StatePart, TenantState } from '../../../src/tenant/state.ts';

describe('the state of a tenant', () => {
  test('creates each part once, when it is first read', () => {
    let created = 0;
    const part = new StatePart((state) => ({ number: ++created, owner: state.tenantName }));
    const [first, second] = [new TenantState('a'), new TenantState('b')];
    expect(created).toBe(0);
    expect(first.get(part)).toEqual({ number: 1, owner: 'a' });
    expect(first.get(part)).toBe(first.get(part));
    expect(second.get(part)).toEqual({ number: 2, owner: 'b' });
    expect(created).toBe(2);
  });

  test('keeps parts apart by identity', () => {
    const create = () => ({ calls: 0 });
    const [one, other] = [new StatePart(create), new StatePart(create)];
    const state = new TenantState('a');
    state.get(one).calls = 5;
    expect(state.get(one)).toEqual({ calls: 5 });
    expect(state.get(other)).toEqual({ calls: 0 });
  });

  test('has its limits from its first use on, and newer ones at once', () => {
    const state = new TenantState('a');
    const limits = (openCallsMax: number) => ({ ...noLimits, openCallsMax });
    state.applyLimits(limits(1));
    expect(state.isUsed).toBe(false);
    expect(state.usage.limits).toEqual(limits(1));
    expect(state.isUsed).toBe(true);
    state.usage.openCalls = 5;
    state.applyLimits(limits(2));
    expect(state.usage).toMatchObject({ limits: limits(2), openCalls: 5 });
  });

  test('has a compaction floor of its own', () => {
    const [first, second] = [new TenantState('a'), new TenantState('b')];
    first.floor.raise(7, new Uint8Array(0));
    expect([first.floor.revision, second.floor.revision]).toEqual([7, 0]);
  });
});
