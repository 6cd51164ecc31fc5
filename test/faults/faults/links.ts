/** Connections to members that are slow, silent, one-way or cut. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, World } from '../fault.ts';
import type { FaultLink, LinkMode } from '../fault-link.ts';
import { pathNames } from '../path.ts';

/** Longer than it takes to find out with pings. */
const halfOpenMs = 20_000;
const resetEveryMs = 500;
/** Before a connection is cut. A response to a put has about a hundred. */
const bytesMax = 3_000;

/** `count` of the links fail in the same way. */
function failing(
  name: string,
  count: number,
  mode: (world: World) => LinkMode,
  begin: (links: readonly FaultLink[]) => void = () => {},
): Fault {
  return {
    name,
    paths: pathNames,
    async happen(world) {
      const { links, chance, lastsMs } = world;
      const first = chance.below(links.length);
      const chosen = [...links.slice(first), ...links.slice(0, first)].slice(0, count);
      for (const link of chosen) link.fail(mode(world));
      begin(chosen);
      await sleep(lastsMs);
      for (const link of chosen) link.heal();
    },
  };
}

function cut(links: readonly FaultLink[]): void {
  for (const link of links) link.cut();
}

const reset: Fault = {
  name: 'RST',
  paths: pathNames,
  async happen({ links, lastsMs }) {
    const endAt = performance.now() + lastsMs;
    while (performance.now() < endAt) {
      cut(links);
      await sleep(resetEveryMs);
    }
  },
};

const halfOpen: Fault = {
  name: 'half-open',
  paths: pathNames,
  async happen({ links, chance }) {
    chance.pick(links).halfOpen();
    await sleep(halfOpenMs);
  },
};

const cutAtByte = ({ chance }: World): LinkMode => ({
  is: 'cutting',
  afterBytes: () => 1 + chance.below(bytesMax),
});

export const linkFaults: readonly Fault[] = [
  failing('delay 200 ms', 3, () => ({ is: 'delaying', ms: 100 })),
  failing('one member stalled', 1, () => ({ is: 'stalled' })),
  failing('all stalled', 3, () => ({ is: 'stalled' })),
  failing('bytes dropped: responses of a member', 1, () => ({
    is: 'dropping',
    direction: 'responses',
  })),
  failing('bytes dropped: requests to a member', 1, () => ({
    is: 'dropping',
    direction: 'requests',
  })),
  failing('cut at byte N', 3, cutAtByte, cut),
  reset,
  halfOpen,
  failing('new connections black-holed', 2, () => ({ is: 'black hole' }), cut),
];
