import { expect, test } from 'vitest';
import { cacheLimits } from '../../../src/cache/cache-context.ts';
import { boundedCacheLimits } from '../../../src/proxy/cache-limits.ts';

const mib = 1 << 20;

test('without a memory limit, and in a large container, reads from memory have their usual bounds', () => {
  expect(boundedCacheLimits({ workers: 1 }, Number.POSITIVE_INFINITY)).toEqual(cacheLimits);
  expect(boundedCacheLimits({ workers: 4 }, Number.POSITIVE_INFINITY)).toEqual(cacheLimits);
  expect(boundedCacheLimits({ workers: 1 }, 1_024 * mib)).toEqual(cacheLimits);
});

test.each([
  [1, 256, { rangeBytesMax: 8, tenantBytesMax: 16, processBytesMax: 32, responseBytesMax: 42 }],
  [2, 256, { rangeBytesMax: 4, tenantBytesMax: 8, processBytesMax: 16, responseBytesMax: 21 }],
])('%i workers in a container of %i MiB share a part of it', (workers, limit, expected) => {
  const bounds = boundedCacheLimits({ workers }, limit * mib);
  for (const [name, value] of Object.entries(expected)) {
    expect(Math.floor(bounds[name as keyof typeof expected] / mib)).toBe(value);
  }
});
