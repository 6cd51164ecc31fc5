/** The short version of the fault matrix, through the proxy only. `npm run faults` has all faults and all paths. */
import { expect, test } from 'vitest';
import { runCell, type Violations } from '../../faults/cell.ts';
import { faults } from '../../faults/faults/all.ts';
import { seed } from '../../support/seeded.ts';

const none: Violations = {
  writes: [],
  watches: [],
  leases: [],
  locks: [],
  registers: [],
  process: [],
};

test.each([
  ['kill leader', 2_000],
  ['pause follower 5 s', 0],
  ['proxy SIGKILL and restart', 1_000],
  ['proxy drained under load', 1_000],
])(
  `with the fault "%s" no acknowledged write, event, lease or lock is lost, and registers are linearizable (SEED=${seed})`,
  async (name, lastsMs) => {
    const fault = faults.find((each) => each.name === name);
    if (fault === undefined) throw new Error(`no fault ${name}`);
    const { violations, acknowledged, reads } = await runCell({
      fault,
      path: 'proxy',
      lastsMs,
      seed,
      isCompiled: false,
    });
    expect(violations).toEqual(none);
    // There was a load.
    expect(acknowledged).toBeGreaterThan(50);
    expect(reads).toBeGreaterThan(50);
  },
);
