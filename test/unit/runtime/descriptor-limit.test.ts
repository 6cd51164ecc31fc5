import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { descriptorLimit, descriptorShares } from '../../../src/runtime/descriptor-limit.ts';

const limits = (soft: string) =>
  [
    'Limit                     Soft Limit           Hard Limit           Units',
    'Max processes             7                    8                    processes',
    `Max open files            ${soft}                 524288               files`,
  ].join('\n');

test.each([
  ['the soft limit', limits('1024'), 1_024],
  ['no limit', limits('unlimited'), Number.POSITIVE_INFINITY],
  ['a system without /proc', null, 1_024],
  ['a text that is not understood', limits('-5'), 1_024],
])('the limit of descriptors: %s', (_, text, limit) => {
  expect(descriptorLimit(() => text)).toBe(limit);
});

test.runIf(process.platform === 'linux')('the limit of this process is read', () => {
  const soft = readFileSync('/proc/self/limits', 'latin1').match(/open files\s+(\d+)/)?.[1];
  expect(descriptorLimit()).toBe(Number(soft));
});

test.each([
  [600, { admin: 37, clients: 424 }],
  [1_024, { admin: 64, clients: 768 }],
  [65_536, { admin: 256, clients: 64_704 }],
  [100, { admin: 8, clients: 8 }],
  [Number.POSITIVE_INFINITY, { admin: 256, clients: Number.POSITIVE_INFINITY }],
])('%s descriptors are divided into %o', (limit, shares) => {
  expect(descriptorShares(limit)).toEqual(shares);
});
