import { expect, test } from 'vitest';
import { noLimits } from '../../../src/config/sections/usage-limits.ts';
import { limitsInUse } from '../../../src/tenant/limits-in-use.ts';
import { Usage } from '../../../src/tenant/usage.ts';

test('limits in use are those of which something is used and those that have refused something', () => {
  const usage = new Usage();
  usage.openCalls = 3;
  usage.openWatches = 7;
  expect(limitsInUse(usage, 0)).toEqual([]);
  usage.limits = { ...noLimits, openCallsMax: 10, openStreamsMax: 5, openWatchesMax: 7 };
  usage.refused('max-open-watches');
  expect(limitsInUse(usage, 0)).toEqual([
    { name: 'max-open-calls', used: 3, limit: 10, refused: 0 },
    { name: 'max-open-watches', used: 7, limit: 7, refused: 1 },
  ]);
});

test('a rate is in use as long as its burst is not full again', () => {
  const usage = new Usage();
  usage.limits = { ...noLimits, callsPerSecond: 10, callBurst: 20 };
  for (let i = 0; i < 15; i++) {
    usage.callTokens.has(10, 20, 0);
    usage.callTokens.take();
  }
  const rate = { name: 'max-calls-per-second', limit: 20, refused: 0 };
  expect(limitsInUse(usage, 0)).toEqual([{ ...rate, used: 15 }]);
  expect(limitsInUse(usage, 1_000)).toEqual([{ ...rate, used: 5 }]);
  expect(limitsInUse(usage, 2_000)).toEqual([]);
});
