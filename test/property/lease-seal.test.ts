import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keySpace } from '../../src/etcd/key-space.ts';
import { visibleId, visibleIdMax } from '../../src/etcd/lease-id.ts';
import { foreignLease, LeaseSeal } from '../../src/rewrite/lease-seal.ts';
import { comparedId } from '../support/lease-id-oracle.ts';
import { Seeded } from '../support/seeded.ts';
import { slowVarint } from '../support/slow-rewriter.ts';

const seal = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((key) => new LeaseSeal(key, { keyOf: () => key, equals: () => false }));
const id = fc.integer({ min: 0, max: visibleIdMax });

describe('the lease IDs of a namespace', () => {
  test('map back, and keep their order', () => {
    fc.assert(
      fc.property(seal, id, id, (leases, one, other) => {
        expect(visibleId(leases, leases.stored(one))).toBe(one);
        expect(leases.stored(one) < leases.stored(other)).toBe(one < other);
      }),
    );
  });

  test('are written as the varint of the number', () => {
    fc.assert(
      fc.property(seal, id, (leases, visible) => {
        const target = new Uint8Array(11).fill(0xee);
        const end = leases.write(target, 1, visible);
        expect(target.subarray(1, end)).toEqual(slowVarint(leases.stored(visible)));
        expect(end - 1).toBe(leases.bytes(visible));
        expect([target[0], target[end]]).toEqual([0xee, 0xee]);
      }),
    );
  });

  test('have check values without structure: one bit of an ID or of a name changes half of them', () => {
    const random = new Seeded(0x1ea5e);
    const flips = { visible: 0, namespace: 0 };
    const samples = 4_000;
    const check = (leases: LeaseSeal, visible: number) => leases.stored(visible) & 0xffff_ffffn;
    for (let i = 0; i < samples; i++) {
      const visible = random.below(2 ** 31);
      const { leases } = keySpace(Buffer.from(`game-${i}/`));
      const neighbour = keySpace(Buffer.from(`game-${i}0`)).leases;
      const flipped = (visible ^ (1 << random.below(31))) >>> 0;
      flips.visible += bitsOf(check(leases, visible) ^ check(leases, flipped));
      flips.namespace += bitsOf(check(leases, visible) ^ check(neighbour, visible));
    }
    // The standard deviation of the mean is 0.045.
    expect(Math.abs(flips.visible / samples - 16)).toBeLessThan(0.25);
    expect(Math.abs(flips.namespace / samples - 16)).toBeLessThan(0.25);
  });

  test('are hardly ever recognized by another one: not once in ten million pairs of a name and a lease', () => {
    const random = new Seeded(20_261_127);
    let recognized = 0;
    for (let name = 0; name < 1_000; name++) {
      const { leases } = keySpace(Buffer.from(`game-${name}/`));
      for (let i = 0; i < 10_000; i++) {
        if (leases.open(random.below(2 ** 31), random.below(2 ** 32)) !== foreignLease) {
          recognized += 1;
        }
      }
    }
    // Expected: 0.0023. The seed is fixed.
    expect(recognized).toBe(0);
  });

  test('compare as the visible ones do', () => {
    // A key has no lease or one of the namespace; the operand may be any int64.
    const operand = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -3n, max: 3n }),
      fc.bigInt({ min: 2n ** 31n - 3n, max: 2n ** 31n + 3n }),
      id.map(BigInt),
    );
    const sign = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
    fc.assert(
      fc.property(seal, id, operand, (leases, lease, wanted) => {
        const stored = lease === 0 ? 0n : leases.stored(lease);
        expect(sign(stored, comparedId(leases, wanted))).toBe(sign(BigInt(lease), wanted));
      }),
    );
  });
});

function bitsOf(value: bigint): number {
  return [...value.toString(2)].filter((digit) => digit === '1').length;
}
