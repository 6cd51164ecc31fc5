import { expect, test } from 'vitest';
import { RevisionAssembler } from '../../../../src/watch/hub/revision-assembler.ts';
import { WatchResponse } from '../../../../src/watch/hub/watch-response.ts';
import { encodeEvent, Store } from '../../../simulation/store.ts';
import { encodeResponse, headerField } from '../../../simulation/wire.ts';

const put = (key: string) => ({ key, isDelete: false, padding: 0 });

const store = new Store();
store.commit('t', [put('a'), put('b')]);
const [first, second] = store.eventsOf('t').map((event) => encodeEvent(event, false));

function response(events: readonly (Uint8Array | undefined)[], fragment: boolean): WatchResponse {
  const read = new WatchResponse();
  const known = events.filter((event) => event !== undefined);
  read.read(encodeResponse({ header: headerField(1, 2), watchId: 1, events: known, fragment }));
  return read;
}

test('a revision is complete with the response that is not a fragment', () => {
  const assembler = new RevisionAssembler(1);
  expect(assembler.take(response([first], true))).toEqual([]);
  expect(assembler.position).toBe(1);
  expect(assembler.take(response([second], false))).toMatchObject([{ revision: 2, count: 2 }]);
  expect(assembler.position).toBe(2);
});

test('a watch that begins again drops the fragments before', () => {
  const assembler = new RevisionAssembler(1);
  assembler.take(response([first], true));
  assembler.restart();
  const batches = assembler.take(response([first, second], false));
  expect(batches).toMatchObject([{ revision: 2, count: 2 }]);
});
