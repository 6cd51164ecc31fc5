import { expect, test } from 'vitest';
import { newestOfLine } from '../../../bench/etcd-releases.ts';

test('the newest release of a line has the highest patch number, not the last name', () => {
  const names = ['etcd-3.5.9', 'etcd-3.5.35', 'etcd-3.50.40', 'etcd-3.5.x', 'etcd-tests-3.5.99'];
  expect(newestOfLine(names, '3.5')).toBe('etcd-3.5.35');
  expect(newestOfLine(names, '3.6')).toBeNull();
});
