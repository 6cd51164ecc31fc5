import { expect, test } from 'vitest';
import { ReadTurns } from '../../../src/http2/read-turns.ts';

/** Connections that take `costMs` for each chunk. */
function setUp({ costMs = 4, lateBytesMax = 1_000 } = {}) {
  let nowMs = 0;
  let turn = 0;
  const afterTurn: (() => void)[] = [];
  const turns = new ReadTurns({
    turnMsMax: 10,
    lateBytesMax,
    nowMs: () => nowMs,
    afterTurn: (action) => afterTurn.push(action),
  });
  /** Names with the turn in which they were processed. */
  const processed: string[] = [];
  const process = (name: string) => {
    nowMs += costMs;
    processed.push(`${name}@${turn}`);
  };
  return {
    turns,
    processed,
    arrive: (name: string, bytes = 10) => {
      if (turns.admit({ onTurn: () => process(name) }, Buffer.alloc(bytes))) process(name);
    },
    endTurn: () => {
      turn += 1;
      for (const action of afterTurn.splice(0)) action();
    },
    isIdle: () => afterTurn.length === 0,
  };
}

test('connections are processed at once while the time of the turn lasts', () => {
  const { arrive, processed, endTurn, isIdle } = setUp();
  for (const name of ['a', 'b', 'c']) arrive(name);
  expect(processed).toEqual(['a@0', 'b@0', 'c@0']);
  endTurn();
  expect(isIdle()).toBe(true);
});

test('the rest is processed in later turns, in order of arrival, and before what arrives then', () => {
  const { arrive, processed, endTurn, isIdle } = setUp();
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) arrive(name);
  expect(processed).toHaveLength(3);
  endTurn();
  arrive('i');
  expect(processed).toEqual(['a@0', 'b@0', 'c@0', 'd@1', 'e@1', 'f@1']);
  endTurn();
  expect(processed.slice(6)).toEqual(['g@2', 'h@2', 'i@2']);
  expect(isIdle()).toBe(true);
  arrive('j');
  expect(processed.at(-1)).toBe('j@2');
});

test('a connection that takes longer than a turn does not hold up others for good', () => {
  const { arrive, processed, endTurn } = setUp({ costMs: 50 });
  for (const name of ['a', 'b', 'c']) arrive(name);
  endTurn();
  endTurn();
  expect(processed).toEqual(['a@0', 'b@1', 'c@2']);
});

test('when many bytes wait already, further ones are processed at once', () => {
  const { arrive, processed } = setUp({ costMs: 50, lateBytesMax: 20 });
  for (const name of ['a', 'b', 'c', 'd']) arrive(name);
  expect(processed).toEqual(['a@0', 'd@0']);
});
