import { expect, test } from 'vitest';
import { CacheMemory, type TenantCacheMemory } from '../../../src/cache/cache-memory.ts';

class Counted {
  bytes = 0;
  isDropped = false;
  readonly #memory: TenantCacheMemory;

  constructor(memory: TenantCacheMemory) {
    this.#memory = memory;
    memory.add(this);
  }

  resize(bytes: number): void {
    const more = bytes - this.bytes;
    this.bytes = bytes;
    this.#memory.count(this, more);
  }

  drop(): void {
    this.isDropped = true;
    this.resize(0);
    this.#memory.remove(this);
  }
}

const bounds = { rangeBytesMax: 100, tenantBytesMax: 150, processBytesMax: 200 };

test('a range above its bound is dropped', () => {
  const memory = new CacheMemory(bounds);
  const range = new Counted(memory.newTenant());
  range.resize(100);
  expect(range.isDropped).toBe(false);
  range.resize(101);
  expect(range.isDropped).toBe(true);
  expect(memory.bytes).toBe(0);
});

test('a tenant above its bound loses its largest range, and no other tenant does', () => {
  const memory = new CacheMemory(bounds);
  const tenant = memory.newTenant();
  const other = new Counted(memory.newTenant());
  other.resize(10);
  const ranges = [new Counted(tenant), new Counted(tenant), new Counted(tenant)];
  ranges[0]?.resize(90);
  ranges[1]?.resize(50);
  ranges[2]?.resize(20);
  expect(ranges.map(({ isDropped }) => isDropped)).toEqual([true, false, false]);
  expect(other.isDropped).toBe(false);
  expect(tenant.bytes).toBe(70);
  expect(memory.bytes).toBe(80);
});

test('a process above its bound drops the largest range of the tenant that has most', () => {
  const memory = new CacheMemory(bounds);
  const small = new Counted(memory.newTenant());
  const tenant = memory.newTenant();
  const ranges = [new Counted(tenant), new Counted(tenant)];
  ranges[0]?.resize(60);
  ranges[1]?.resize(70);
  small.resize(80);
  expect(ranges.map(({ isDropped }) => isDropped)).toEqual([false, true]);
  expect(small.isDropped).toBe(false);
  expect(memory.bytes).toBe(140);
});
