import { beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../../../src/call/call.ts';
import { Code, status } from '../../../../src/grpc/status.ts';
import { UpstreamStream } from '../../../../src/watch/hub/upstream-stream.ts';
import type { WatchResponse } from '../../../../src/watch/hub/watch-response.ts';
import { encodeResponse, headerField } from '../../../simulation/wire.ts';
import { FakeCall } from '../../../support/fake-call.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const lost = status(Code.UNAVAILABLE, 'connection lost', 'lost');
const spec = {
  range: { key: Buffer.from('a'), end: Buffer.from('b') },
  startRevision: 5,
  prevKv: false,
};

class Owner {
  readonly received: string[] = [];
  onCreated({ revision }: WatchResponse): void {
    this.received.push(`created ${revision}`);
  }
  onEvents(): void {
    this.received.push('events');
  }
  onProgress({ revision }: WatchResponse): void {
    this.received.push(`progress ${revision}`);
  }
  onCanceled(): void {
    this.received.push('canceled');
  }
  onLost(): void {
    this.received.push('lost');
  }
}

let deferred: (() => void)[];
let unused: number;
let stream: UpstreamStream;
let call: FakeCall<Message<'tenant'>>;
let owner: Owner;
let clock: ManualClock;

const runDeferred = () => {
  for (const work of deferred.splice(0)) work();
};

const header = (revision: number) => headerField(1, revision);

const respond = (fields: Omit<Parameters<typeof encodeResponse>[0], 'header'>, revision = 100) =>
  call.deliver(encodeResponse({ header: header(revision), ...fields }));

beforeEach(() => {
  clock = new ManualClock();
  deferred = [];
  unused = 0;
  owner = new Owner();
  stream = new UpstreamStream({
    onEnded: () => {},
    onUnused: () => {
      unused += 1;
    },
    defer: (work) => deferred.push(work),
    clock,
  });
});

const open = () =>
  stream.open((responses) => {
    call = new FakeCall(responses);
    return call;
  });

describe('a stream that ends while it is being started', () => {
  test('notifies the watches that are added to it in the same turn', () => {
    stream.open((responses) => {
      call = new FakeCall(responses);
      call.end(lost);
      return call;
    });
    stream.watch(spec, owner);
    runDeferred();
    expect(owner.received).toEqual(['lost']);
  });

  test('notifies a watch after its owner has it', () => {
    open();
    const watch = stream.watch(spec, owner);
    call.end(lost);
    expect(owner.received).toEqual([]);
    watch.close();
    runDeferred();
    expect(owner.received).toEqual([]);
  });
});

describe('a progress response', () => {
  beforeEach(open);

  test('does not count for a watch that is not created', () => {
    stream.requestProgress();
    stream.watch(spec, owner);
    respond({ watchId: -1 });
    expect(owner.received).toEqual([]);
  });

  test('does not count if it may be the response to a request before the create', () => {
    stream.requestProgress();
    stream.watch(spec, owner);
    respond({ watchId: 1, created: true });
    respond({ watchId: -1 });
    stream.requestProgress();
    respond({ watchId: -1 });
    expect(owner.received).toEqual(['created 100', 'progress 100']);
  });

  test('counts if its revision is newer than the create', () => {
    stream.requestProgress();
    stream.watch(spec, owner);
    respond({ watchId: 1, created: true });
    respond({ watchId: -1 }, 101);
    expect(owner.received).toEqual(['created 100', 'progress 101']);
  });
});

describe('progress requests', () => {
  beforeEach(open);

  const sent = () => call.requests.filter(([field]) => field === 0x1a).length;

  test('that are made before etcd has responded share the next one', () => {
    for (let i = 0; i < 100; i++) stream.requestProgress();
    expect(sent()).toBe(1);
    respond({ watchId: -1 });
    expect(sent()).toBe(2);
    respond({ watchId: -1 });
    expect(sent()).toBe(2);
    stream.requestProgress();
    expect(sent()).toBe(3);
  });

  test('are repeated less and less often while etcd does not respond', () => {
    for (let i = 0; i < 100; i++) {
      stream.requestProgress();
      clock.advance(100);
    }
    expect(sent()).toBeGreaterThan(8);
    expect(sent()).toBeLessThan(16);
  });

  test('without responses delay a watch that is created later by few responses', () => {
    for (let i = 0; i < 100; i++) {
      stream.requestProgress();
      clock.advance(100);
    }
    stream.watch(spec, owner);
    respond({ watchId: 1, created: true });
    for (let i = 0; i < 15; i++) {
      stream.requestProgress();
      respond({ watchId: -1 });
    }
    expect(owner.received).toContain('progress 100');
  });
});

test('the ID of a watch that etcd has compacted is released, and the stream is unused', () => {
  open();
  stream.watch(spec, owner);
  respond({ watchId: 1, created: true });
  respond({ watchId: 1, canceled: true, compactRevision: 50 });
  expect(owner.received).toEqual(['created 100', 'canceled']);
  expect([...call.request]).toEqual([0x12, 0x02, 0x08, 0x01]);
  expect(unused).toBe(1);
});
