/**
 * A read from memory is never older than what its connection had received before it: a client reads its own writes, and no
 * state after a newer one. etcd itself guarantees neither for serializable reads.
 */
import type { Invariant } from './invariant.ts';
import { eachResponse, isFromMemory } from './read-response.ts';

export const monotonicReads: Invariant = {
  name: 'monotonic reads',
  check: (history, report) =>
    eachResponse(history, ({ read, call }, { revision }, label) => {
      if (!read.isSerializable || !isFromMemory(call) || revision >= call.facts.seen) return;
      report(`${label}: revision ${revision} after ${call.facts.seen}`);
    }),
};
