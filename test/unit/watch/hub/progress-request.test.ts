/** Progress requests of clients whose watches share a feed. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeRequest, encodeResponse } from '../../../support/codec.ts';
import type { EtcdCall } from '../../../support/fake-etcd.ts';
import { header, watchMethod } from '../setup.ts';
import { SharedWatchSetup } from './setup.ts';

let setup: SharedWatchSetup;
let feed: EtcdCall<'tenant'>;

beforeEach(() => {
  setup = new SharedWatchSetup();
  setup.create();
  respondToFence(100);
  feed = setup.etcd.last;
  setup.created(feed);
});

afterEach(() => setup[Symbol.dispose]());

function respondToFence(revision: number): void {
  setup.etcd.last.respond(
    encodeResponse('etcdserverpb.KV/Range', { header: { ...header, revision: `${revision}` } }),
  );
}

/** The client requests progress, and etcd has reached `revision` meanwhile. */
function requestProgressAt(revision: number): void {
  setup.send({ progress_request: {} });
  respondToFence(revision);
}

function progress(revision: number): void {
  const response = { header: { ...header, revision: `${revision}` }, watch_id: '-1' };
  feed.deliver(encodeResponse(watchMethod, response));
}

function progressRequests(): number {
  return feed.requests.filter((bytes) => decodeRequest(watchMethod, bytes).progress_request).length;
}

test('each of them reaches etcd without delay if the revision has changed', () => {
  for (const [index, revision] of [101, 102, 103].entries()) {
    requestProgressAt(revision);
    expect(progressRequests()).toBe(index + 1);
    progress(revision);
    expect(setup.received.filter((each) => each.startsWith('progress'))).toHaveLength(index + 1);
  }
});

test('etcd is soon asked again if the member of the watch lags behind', () => {
  requestProgressAt(102);
  progress(101);
  expect(setup.received).not.toContain('progress of -1');
  setup.clock.advance(5);
  expect(progressRequests()).toBe(2);
  progress(102);
  expect(setup.received).toContain('progress of -1');
});
