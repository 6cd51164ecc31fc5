import { describe, expect, test } from 'vitest';
import { ByteAccount, ByteHold, ByteShare } from '../../../src/runtime/byte-budget.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const tickMs = 250;

class Hold extends ByteHold {
  isShed = false;
  canShed = true;

  override onReserved(): void {}

  override onShed(): void {
    this.isShed = true;
    this.release();
  }
}

class Unwanted extends Hold {
  wanted = false;

  override get isWanted(): boolean {
    return this.wanted;
  }
}

function shareOf(bytesMax: number) {
  const clock = new ManualClock();
  const deferred: (() => void)[] = [];
  const share = new ByteShare('responses', bytesMax, clock, (work) => deferred.push(work));
  const endRead = () => {
    for (const work of deferred.splice(0)) work();
  };
  return { clock, share, endRead };
}

function hold(account: ByteAccount, arrived = 0, length = 0): Hold {
  const made = new Hold(account);
  if (arrived > 0) made.count(arrived);
  if (length > 0) made.reserve(length);
  return made;
}

describe('a message', () => {
  test('is reserved at once if it fits, and counts in full', () => {
    const { share } = shareOf(100);
    expect(hold(share, 5, 60).isReserved).toBe(true);
    expect(share.bytes).toBe(60);
  });

  test('waits for others, and is reserved when they are released', () => {
    const { share } = shareOf(100);
    const first = hold(share, 0, 60);
    const second = hold(share, 5, 60);
    expect([second.isReserved, share.bytes, share.waitingHolds]).toEqual([false, 65, 1]);
    first.release();
    expect([second.isReserved, share.bytes, share.waitingHolds]).toEqual([true, 60, 0]);
    second.release();
    expect(share.bytes).toBe(0);
  });

  test('that is alone is reserved whatever its length, and stays when a little more arrives', () => {
    const { share, endRead } = shareOf(100);
    const large = hold(share, 5, 10_000);
    const small = hold(share, 20);
    endRead();
    expect([large.isReserved, large.isShed, small.isShed]).toEqual([true, false, false]);
  });

  test('that does not fit is not overtaken by later ones', () => {
    const { share } = shareOf(100);
    const first = hold(share, 0, 50);
    const large = hold(share, 0, 75);
    const small = hold(share, 0, 20);
    expect([large.isReserved, small.isReserved]).toEqual([false, false]);
    first.release();
    expect([large.isReserved, small.isReserved]).toEqual([true, false]);
  });

  test('that no longer waits leaves the line', () => {
    const { share } = shareOf(100);
    const first = hold(share, 0, 60);
    const second = hold(share, 0, 60);
    second.release();
    first.release();
    expect([second.isReserved, share.bytes, share.waitingHolds]).toEqual([false, 0, 0]);
  });
});

describe('accounts', () => {
  test('count in all accounts above them', () => {
    const { share } = shareOf(1_000);
    const tenant = new ByteAccount(1_000, share);
    const connection = new ByteAccount(1_000, share, tenant);
    hold(connection, 7);
    expect([connection.bytes, tenant.bytes, share.bytes]).toEqual([7, 7, 7]);
    expect(connection.top).toBe(tenant);
  });

  test('take what they count along when they move', () => {
    const { share } = shareOf(1_000);
    const connection = new ByteAccount(1_000, share);
    const [a, b] = [new ByteAccount(1_000, share), new ByteAccount(1_000, share)];
    hold(connection, 7);
    connection.moveTo(a);
    connection.moveTo(b);
    expect([a.bytes, b.bytes, share.bytes]).toEqual([0, 7, 7]);
  });

  test('that are full make their own messages wait, and no others', () => {
    const { share } = shareOf(1_000);
    const [a, b] = [new ByteAccount(100, share), new ByteAccount(100, share)];
    hold(a, 0, 60);
    const [second, other] = [hold(a, 0, 60), hold(b, 0, 60)];
    expect([second.isReserved, other.isReserved]).toEqual([false, true]);
  });

  test('with fewer bytes are served first', () => {
    const { share } = shareOf(100);
    const [a, b] = [new ByteAccount(100, share), new ByteAccount(100, share)];
    const [first, second] = [hold(a, 0, 30), hold(a, 0, 30)];
    const [third, other] = [hold(a, 0, 35), hold(b, 0, 35)];
    second.release();
    expect([third.isReserved, other.isReserved]).toEqual([false, true]);
    first.release();
    expect(third.isReserved).toBe(true);
  });
});

describe('too many bytes', () => {
  test('shed the largest message of the account with most, after the read', () => {
    const { share, endRead } = shareOf(100);
    const [a, b] = [new ByteAccount(100, share), new ByteAccount(100, share)];
    const [small, large, other] = [hold(a, 20), hold(a, 30), hold(b, 45)];
    hold(b, 4);
    expect(large.isShed).toBe(false);
    hold(a, 5);
    endRead();
    expect([small.isShed, large.isShed, other.isShed]).toEqual([false, true, false]);
    expect(share.refusals).toBe(1);
  });

  test('shed a message without a reservation first, and of these one of an account that had one shed before', () => {
    const { share, endRead } = shareOf(100);
    const [flooding, honest] = [new ByteAccount(100, share), new ByteAccount(100, share)];
    const reserved = hold(honest, 0, 60);
    const first = hold(flooding, 50);
    endRead();
    expect([reserved.isShed, first.isShed]).toEqual([false, true]);
    const [again, other] = [hold(flooding, 15), hold(honest, 30)];
    endRead();
    expect([reserved.isShed, again.isShed, other.isShed]).toEqual([false, true, false]);
  });

  test('do not shed what cannot be given back', () => {
    const { share, endRead } = shareOf(100);
    const [first, second, open] = [hold(share, 50), hold(share, 45), hold(share, 10)];
    first.canShed = false;
    second.canShed = false;
    endRead();
    expect([first.isShed, second.isShed, open.isShed]).toEqual([false, false, true]);
  });
});

describe('messages that wait', () => {
  test('for a second make those go that did not move meanwhile', () => {
    const { clock, share } = shareOf(100);
    const [idle, moving] = [hold(share, 0, 50), hold(share, 0, 20)];
    const waiting = hold(share, 0, 60);
    for (let i = 0; i < 6; i++) {
      moving.hasMoved = true;
      clock.advance(tickMs);
    }
    expect([idle.isShed, moving.isShed, waiting.isReserved]).toEqual([true, false, true]);
    expect(share.refusals).toBe(1);
  });

  test('for five seconds are refused', () => {
    const { clock, share } = shareOf(100);
    const [moving, waiting] = [hold(share, 0, 60), hold(share, 5, 60)];
    for (let i = 0; i < 22; i++) {
      moving.hasMoved = true;
      clock.advance(tickMs);
    }
    expect([moving.isShed, waiting.isShed, share.bytes]).toEqual([false, true, 60]);
  });

  test('without being wanted let others go first, and are refused after fifteen seconds', () => {
    const { clock, share } = shareOf(100);
    const [unwanted, later] = [new Unwanted(share), new Unwanted(share)];
    unwanted.reserve(50);
    later.reserve(50);
    const other = hold(share, 0, 50);
    expect([unwanted.isReserved, other.isReserved]).toEqual([false, true]);
    other.release();
    clock.advance(14_000);
    later.wanted = true;
    later.reconsider();
    clock.advance(2_000);
    expect([unwanted.isShed, later.isReserved]).toEqual([true, true]);
  });

  test('cost no timer once nobody waits', () => {
    const { clock, share } = shareOf(100);
    const first = hold(share, 0, 60);
    hold(share, 0, 60);
    expect(clock.pendingTimers).toBe(1);
    first.release();
    clock.advance(tickMs);
    expect(clock.pendingTimers).toBe(0);
  });
});
