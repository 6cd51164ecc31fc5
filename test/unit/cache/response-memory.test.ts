import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { cacheLimits } from '../../../src/cache/cache-context.ts';
import { ResponseMemory } from '../../../src/cache/response-memory.ts';

test('responses that no client waits for do not fill the memory of responses', async () => {
  const memory = new ResponseMemory(cacheLimits.responseBytesMax);
  let times = 0;
  for (let built = 0; built < 1_500; built++) {
    memory.count(new Uint8Array(281_000));
    if (memory.isFull) times += 1;
    await nextTurn();
  }
  expect(times).toBe(0);
});
