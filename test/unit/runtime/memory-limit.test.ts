import { expect, test } from 'vitest';
import { memoryLimit } from '../../../src/runtime/memory-limit.ts';

const none = Number.POSITIVE_INFINITY;
const limitIn = (files: Record<string, string>) => memoryLimit((path) => files[path] ?? null);

test.each([
  [
    'in a container',
    { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '201326592\n' },
    201_326_592,
  ],
  [
    'of a group above the own one, if it is smaller',
    {
      '/proc/self/cgroup': '0::/pod/proxy\n',
      '/sys/fs/cgroup/pod/memory.max': '100\n',
      '/sys/fs/cgroup/pod/proxy/memory.max': '200\n',
    },
    100,
  ],
  ['max', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': 'max\n' }, none],
  ['without files', {}, none],
  [
    'of cgroup v1',
    { '/proc/self/cgroup': '4:memory:/a\n', '/sys/fs/cgroup/memory.max': '5' },
    none,
  ],
  [
    'outside of what is mounted',
    { '/proc/self/cgroup': '0::/../a\n', '/sys/fs/cgroup/memory.max': '5' },
    none,
  ],
  ['of zero', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '0\n' }, none],
  [
    'that is no number',
    { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '1e9' },
    none,
  ],
])('the memory limit %s', (_, files, limit) => {
  expect(limitIn(files)).toBe(limit);
});

test('the memory limit of this process can be read', () => {
  expect(memoryLimit()).toBeGreaterThan(0);
});
