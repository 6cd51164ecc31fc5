import { expect, test } from 'vitest';
import { builtMessage } from '../../../src/call/call.ts';
import { Renewal } from '../../../src/lease/renewal.ts';
import { hashOf, RenewalTable } from '../../../src/lease/renewal-table.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';

/** `hash`: to force collisions. */
function renewalOf(id: number, hash?: number): Renewal {
  const request = Uint8Array.of(8, 0x80 | (id & 0x7f), id >> 7);
  return new Renewal(builtMessage(asOwned(request)), hash ?? hashOf(request));
}

test('a renewal is found by the bytes of its request until it is removed', () => {
  const table = new RenewalTable();
  const renewals = Array.from({ length: 5_000 }, (_, id) => renewalOf(id));
  for (const renewal of renewals) table.add(renewal);
  for (const [i, renewal] of renewals.entries()) if (i % 3 !== 0) table.remove(renewal);
  const kept = renewals.filter((_, i) => i % 3 === 0);
  expect(table.values().toSorted((a, b) => a.hash - b.hash)).toEqual(
    kept.toSorted((a, b) => a.hash - b.hash),
  );
  for (const [i, { request }] of renewals.entries()) {
    const found = table.find(request.slice(), hashOf(request));
    expect(found).toBe(i % 3 === 0 ? renewals[i] : null);
  }
  for (const renewal of kept) table.remove(renewal);
  expect(table.values()).toEqual([]);
});

test('renewals with the same hash do not hide each other when one of them is removed', () => {
  const table = new RenewalTable();
  // At the end of the slots, so that the last ones wrap around.
  const renewals = Array.from({ length: 6 }, (_, id) => renewalOf(id, -2));
  for (const renewal of renewals) table.add(renewal);
  const [first, second, ...others] = renewals;
  if (first === undefined || second === undefined) throw new Error('too few');
  table.remove(first);
  table.remove(second);
  for (const renewal of others) expect(table.find(renewal.request, -2)).toBe(renewal);
  expect(table.find(first.request, -2)).toBeNull();
});

test('the next renewal of a lease takes the place of the one before', () => {
  const table = new RenewalTable();
  const [renewal, next] = [renewalOf(7), renewalOf(7)];
  table.add(renewal);
  table.replace(renewal, next);
  expect(table.find(renewal.request, renewal.hash)).toBe(next);
  expect(table.values()).toEqual([next]);
  expect(() => table.remove(renewal)).toThrow('the renewal is not in the table');
});
