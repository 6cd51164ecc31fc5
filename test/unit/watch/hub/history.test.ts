/** The bounds of histories: of a feed, of a tenant and of the process. */
import { describe, expect, test } from 'vitest';
import type { Batch } from '../../../../src/watch/hub/batch.ts';
import { batchOverheadBytes } from '../../../../src/watch/hub/held-batch.ts';
import { History, type HistoryOwner } from '../../../../src/watch/hub/history.ts';
import type { HistoryLimits } from '../../../../src/watch/hub/history-limits.ts';
import { HistoryBudget } from '../../../../src/watch/hub/history-share.ts';
import { HubStats } from '../../../../src/watch/hub/hub-context.ts';

const headerBytes = 10;
/** Events of 1,000 bytes in all, as counted. */
const eventBytes = 1_000 - headerBytes - batchOverheadBytes;

class Owner implements HistoryOwner {
  rounded = Number.POSITIVE_INFINITY;
  rounds = 0;
  requestRound(): void {
    this.rounds += 1;
  }
}

const batch = (revision: number, bytes = eventBytes): Batch => ({
  revision,
  header: new Uint8Array(headerBytes).fill(1),
  events: new Uint8Array(bytes).fill(revision),
  count: 1,
  block: null,
  offset: 0,
});

function histories(limits: Partial<HistoryLimits>) {
  const unlimited = Number.POSITIVE_INFINITY;
  const all: HistoryLimits = {
    bytesMax: unlimited,
    batchesMax: unlimited,
    tenantBytesMax: unlimited,
    processBytesMax: unlimited,
    ...limits,
  };
  const stats = new HubStats();
  const budget = new HistoryBudget(all, stats);
  const tenant = () => {
    const share = budget.newShare();
    return {
      share,
      feed: (owner = new Owner()) => new History(owner, 1, all, share),
    };
  };
  return { stats, tenant };
}

function append(history: History, ...revisions: readonly number[]): void {
  for (const revision of revisions) {
    history.append([batch(revision)]);
    history.trim();
  }
}

const revisionsOf = (history: History) =>
  history.between(0, Number.POSITIVE_INFINITY).map(({ revision }) => revision);

describe('a feed', () => {
  test('evicts its oldest batches beyond its bytes', () => {
    const history = histories({ bytesMax: 2_000 }).tenant().feed();
    append(history, 1, 2, 3);
    expect(revisionsOf(history)).toEqual([2, 3]);
    expect([history.start, history.bytes]).toEqual([2, 2_000]);
  });

  test('evicts its oldest batches beyond their number', () => {
    const history = histories({ batchesMax: 1 }).tenant().feed();
    append(history, 1, 2);
    expect(revisionsOf(history)).toEqual([2]);
  });

  test('keeps a batch that is not delivered, and requests a round', () => {
    const owner = new Owner();
    const history = histories({ bytesMax: 1_000 }).tenant().feed(owner);
    owner.rounded = 1;
    append(history, 1, 2, 3);
    expect(revisionsOf(history)).toEqual([2, 3]);
    expect(owner.rounds).toBe(1);
    owner.rounded = 3;
    history.trim();
    expect(revisionsOf(history)).toEqual([3]);
  });

  test('returns batches of a range of revisions after many evictions', () => {
    const history = histories({ batchesMax: 3 }).tenant().feed();
    for (let revision = 1; revision <= 2_000; revision++) append(history, revision);
    expect(history.between(1_999, 1_999).map(({ revision }) => revision)).toEqual([1_999]);
    expect(revisionsOf(history)).toEqual([1_998, 1_999, 2_000]);
  });
});

describe('a batch', () => {
  test('of a small response is copied out of the memory pool that it lies in', () => {
    const pool = new Uint8Array(8_192).fill(7);
    const history = histories({}).tenant().feed();
    history.append([
      {
        revision: 1,
        header: pool.subarray(0, 10),
        events: pool.subarray(10, 110),
        count: 1,
        block: null,
        offset: 0,
      },
    ]);
    const [held] = history.between(1, 1);
    pool.fill(8);
    expect([...(held?.header ?? []), ...(held?.events ?? [])]).toEqual(new Array(110).fill(7));
  });

  test('of a large response is not copied', () => {
    const message = new Uint8Array(100_000);
    const history = histories({}).tenant().feed();
    const [first, second] = [message.subarray(20, 50_000), message.subarray(50_000)];
    history.append([
      {
        revision: 1,
        header: message.subarray(0, 20),
        events: first,
        count: 1,
        block: null,
        offset: 0,
      },
      {
        revision: 2,
        header: message.subarray(0, 20),
        events: second,
        count: 1,
        block: null,
        offset: 0,
      },
    ]);
    for (const { events } of history.between(1, 2)) expect(events.buffer).toBe(message.buffer);
  });
});

describe('a tenant', () => {
  test('with too much history loses the oldest batches of all its feeds', () => {
    const { share, feed } = histories({ tenantBytesMax: 3_000 }).tenant();
    const [first, second] = [feed(), feed()];
    append(first, 1);
    append(second, 2);
    append(first, 3);
    append(second, 4, 5);
    expect([revisionsOf(first), revisionsOf(second)]).toEqual([[3], [4, 5]]);
    expect([first.start, second.start]).toEqual([2, 3]);
    expect(share.bytes).toBe(3_000);
  });

  test('is asked for a round of the feed whose batch has to be evicted', () => {
    const { feed } = histories({ tenantBytesMax: 1_000 }).tenant();
    const [idle, busy] = [new Owner(), new Owner()];
    const [first, second] = [feed(idle), feed(busy)];
    idle.rounded = 0;
    append(first, 1);
    append(second, 2);
    expect(idle.rounds).toBe(1);
    idle.rounded = 1;
    first.trim();
    expect([revisionsOf(first), revisionsOf(second)]).toEqual([[], [2]]);
  });

  test('has no bytes after its feeds are closed', () => {
    const { stats, tenant } = histories({});
    const { share, feed } = tenant();
    const [first, second] = [feed(), feed()];
    append(first, 1, 3);
    append(second, 2, 4);
    first.clear();
    expect(share.bytes).toBe(2_000);
    second.clear();
    expect([share.bytes, stats.historyBytes]).toEqual([0, 0]);
  });
});

describe('the process', () => {
  test('takes history from the tenant that has most', () => {
    const { stats, tenant } = histories({ processBytesMax: 5_000 });
    const [small, large] = [tenant(), tenant()];
    const [quiet, busy] = [small.feed(), large.feed()];
    append(quiet, 1, 2);
    append(busy, 3, 4, 5, 6, 7, 8);
    expect(revisionsOf(quiet)).toEqual([1, 2]);
    expect(revisionsOf(busy)).toEqual([6, 7, 8]);
    expect([small.share.bytes, large.share.bytes]).toEqual([2_000, 3_000]);
    expect(stats.historyBytes).toBe(5_000);
  });
});
