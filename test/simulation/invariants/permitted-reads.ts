/** A client whose own credentials are passed to etcd reads at etcd, which knows what it may read. */
import type { Invariant } from './invariant.ts';
import { isFromMemory, labelOf } from './read-response.ts';

export const permittedReads: Invariant = {
  name: 'permitted reads',
  check: ({ reads }, report) => {
    for (const [i, read] of reads.entries()) {
      const { facts, response } = read.call;
      if (facts.hasCredentials && response !== null && isFromMemory(read.call))
        report(labelOf(read, i));
    }
  },
};
