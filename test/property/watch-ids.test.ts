/**
 * A client of the proxy, whose tenant has compacted at some revision, receives the same as a client of an etcd that
 * was compacted there: the same watch IDs, the same rejections, in the same order.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WatchRequest } from '../support/messages.ts';
import { inShort, WatchSetup } from '../unit/watch/setup.ts';

const compacted = 50;

/** The control responses of one stream, as etcd sends them: see watchStream in its server/storage/mvcc/watcher.go. */
class ModelStream {
  readonly #used = new Set<string>();
  readonly #compactRevision: number;
  #next = 0;

  constructor(compactRevision: number) {
    this.#compactRevision = compactRevision;
  }

  ask({ create_request: create, cancel_request: cancel }: WatchRequest): object[] {
    if (create) return this.#create(create);
    const id = String(cancel?.watch_id ?? 0);
    return this.#used.delete(id) ? [{ watch_id: id, canceled: true }] : [];
  }

  #create(create: NonNullable<WatchRequest['create_request']>): object[] {
    const {
      key = Buffer.alloc(0),
      range_end: end = Buffer.alloc(0),
      watch_id: chosen = 0,
    } = create;
    const refused = (reason: string) => [
      { watch_id: -1, created: true, canceled: true, cancel_reason: reason },
    ];
    if (end.length > 0 && Buffer.compare(key, end) >= 0) return refused('empty');
    if (String(chosen) !== '0' && this.#used.has(String(chosen))) {
      return refused('mvcc: duplicate watch ID provided on the WatchStream');
    }
    const id = String(chosen) === '0' ? this.#draw() : String(chosen);
    this.#used.add(id);
    const start = Number(create.start_revision ?? 0);
    const isBelow = start > 0 && start < this.#compactRevision;
    const ended = { watch_id: id, canceled: true, compact_revision: this.#compactRevision };
    return [{ watch_id: id, created: true }, ...(isBelow ? [ended] : [])];
  }

  /** The watches that are open, unless they are below the compaction. */
  get open(): number {
    return this.#used.size;
  }

  #draw(): string {
    while (this.#used.has(String(this.#next))) this.#next += 1;
    this.#next += 1;
    return String(this.#next - 1);
  }
}

const key = fc.constantFrom('t1/a', 't1/b').map((text) => Buffer.from(text));
const request: fc.Arbitrary<WatchRequest> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      create_request: fc.record({
        key,
        range_end: fc.oneof({ weight: 3, arbitrary: fc.constant(Buffer.alloc(0)) }, key),
        watch_id: fc.oneof(
          { weight: 2, arbitrary: fc.constant(0) },
          fc.integer({ min: -1, max: 6 }),
        ),
        start_revision: fc.constantFrom(0, 49, 50, 51),
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ cancel_request: fc.record({ watch_id: fc.nat(6) }) }) },
);

/** How many requests etcd works on after each one that the client sends; the rest at the end. */
const paces = fc.array(fc.nat(3), { maxLength: 40 });

const direct = (program: readonly WatchRequest[]) => {
  const etcd = new ModelStream(compacted);
  const header = new WatchSetup();
  for (const asked of program) for (const answer of etcd.ask(asked)) header.respond(answer);
  return header.told;
};

/** What the client receives, and how many watches count as open in the end, here and at etcd. */
function throughProxy(program: readonly WatchRequest[], pace: readonly number[]) {
  const stream = new WatchSetup();
  stream.compact(compacted);
  const etcd = new ModelStream(0);
  let worked = 0;
  const work = (upTo: number) => {
    for (; worked < Math.min(upTo, stream.sent.length); worked++) {
      for (const answer of etcd.ask(stream.sent[worked] ?? {})) stream.respond(answer);
    }
  };
  program.forEach((asked, at) => {
    stream.send(asked);
    work(worked + (pace[at] ?? 3));
  });
  work(Number.POSITIVE_INFINITY);
  const { openWatches } = stream.tenant.state.usage;
  return { told: stream.answers.map(inShort), open: openWatches, openAtEtcd: etcd.open };
}

const programs = fc.array(request, { maxLength: 40 });

test('one request at a time, every response is the same', () => {
  fc.assert(
    fc.property(programs, (program) => {
      expect(throughProxy(program, []).told).toEqual(direct(program));
    }),
  );
});

test('however late etcd responds, responses to creates keep their order and nothing else differs', () => {
  const isOfCreate = (told: string) => /^(created|refused)/.test(told);
  fc.assert(
    fc.property(programs, paces, (program, pace) => {
      const { told } = throughProxy(program, pace);
      const expected = direct(program);
      expect(told.filter(isOfCreate)).toEqual(expected.filter(isOfCreate));
      expect(told.toSorted()).toEqual(expected.toSorted());
    }),
  );
});

test('however late etcd responds, the watches that count as open are those that etcd has', () => {
  fc.assert(
    fc.property(programs, paces, (program, pace) => {
      const { open, openAtEtcd } = throughProxy(program, pace);
      expect(open).toBe(openAtEtcd);
    }),
  );
});
