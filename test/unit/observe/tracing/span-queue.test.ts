import { describe, expect, test } from 'vitest';
import type { Span } from '../../../../src/observe/tracing/span.ts';
import {
  closeMsMax,
  queuedSpansMax,
  type SpanExporter,
  SpanQueue,
} from '../../../../src/observe/tracing/span-queue.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

class Collector implements SpanExporter {
  readonly batches: number[] = [];
  readonly pending: ((failure: string | null) => void)[] = [];
  isClosed = false;
  fault: Error | null = null;
  export(spans: readonly Span[], done: (failure: string | null) => void): void {
    if (this.fault !== null) throw this.fault;
    this.batches.push(spans.length);
    this.pending.push(done);
  }
  close(): void {
    this.isClosed = true;
  }
  respond(failure: string | null = null): void {
    this.pending.shift()?.(failure);
  }
}

function setup() {
  const clock = new ManualClock();
  const collector = new Collector();
  const failures: string[] = [];
  const queue = new SpanQueue({
    clock,
    exporter: collector,
    onFailure: (reason, spans) => failures.push(`${reason}: ${spans}`),
  });
  const add = (count: number) => {
    for (let i = 0; i < count; i++) queue.add({} as Span);
  };
  const counts = () => [queue.exported, queue.failed, queue.dropped, queue.queued];
  return { clock, collector, failures, queue, add, counts };
}

describe('spans', () => {
  test('leave together, a second after the first, or as a full batch at once', () => {
    const { clock, collector, add, counts } = setup();
    add(3);
    clock.advance(999);
    expect(collector.batches).toEqual([]);
    clock.advance(1);
    expect(collector.batches).toEqual([3]);
    collector.respond();
    add(512);
    expect(collector.batches).toEqual([3, 512]);
    collector.respond();
    expect(counts()).toEqual([515, 0, 0, 0]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('leave one batch at a time, and beyond a bound are dropped', () => {
    const { collector, add, counts } = setup();
    add(512 + queuedSpansMax + 7);
    expect(collector.batches).toEqual([512]);
    expect(counts()).toEqual([0, 0, 7, queuedSpansMax]);
    for (let i = 0; i < 9; i++) collector.respond();
    expect(counts()).toEqual([512 + queuedSpansMax, 0, 7, 0]);
  });

  test('that a collector does not take are lost and counted, and later ones are exported', () => {
    const { clock, collector, failures, add, counts } = setup();
    add(2);
    clock.advance(1_000);
    collector.respond('connect ECONNREFUSED');
    collector.fault = new Error('broken');
    add(1);
    clock.advance(1_000);
    collector.fault = null;
    add(4);
    clock.advance(1_000);
    collector.respond();
    expect(failures).toEqual(['connect ECONNREFUSED: 2', 'broken: 1']);
    expect(counts()).toEqual([4, 3, 0, 0]);
  });

  test('are counted once, however often the exporter calls back', () => {
    const { clock, collector, add, counts } = setup();
    add(2);
    clock.advance(1_000);
    const [done] = collector.pending;
    done?.(null);
    done?.('late');
    expect(counts()).toEqual([2, 0, 0, 0]);
  });
});

describe('at the end', () => {
  test('everything that is queued is exported', async () => {
    const { clock, collector, queue, add, counts } = setup();
    add(600);
    const closed = queue.close();
    collector.respond();
    expect(collector.batches).toEqual([512, 88]);
    collector.respond();
    await closed;
    expect([collector.isClosed, ...counts()]).toEqual([true, 600, 0, 0, 0]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('an idle queue closes at once, and a collector that does not respond costs two seconds', async () => {
    const idle = setup();
    await idle.queue.close();
    expect(idle.collector.isClosed).toBe(true);
    const stuck = setup();
    stuck.add(600);
    const closed = stuck.queue.close();
    expect(stuck.collector.isClosed).toBe(false);
    stuck.clock.advance(closeMsMax);
    await closed;
    expect([stuck.collector.isClosed, stuck.queue.queued]).toEqual([true, 0]);
    expect(stuck.clock.pendingTimers).toBe(0);
  });
});
