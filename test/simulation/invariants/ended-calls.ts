/**
 * Every call ends, and etcd serves it after a bounded time if the memory cannot. Only etcd lets a call fail, and not for reasons
 * of the proxy.
 */
import { Code } from '../../../src/grpc/status.ts';
import type { ObservedCall } from '../observed-call.ts';
import type { Invariant } from './invariant.ts';
import { isFromMemory, labelOf } from './read-response.ts';

/** Deadlines expire up to one tick of 50 ms late. */
const tickMs = 50;

export const endedCalls: Invariant = {
  name: 'ended calls',
  check: ({ reads, writes, cacheLimits }, report) => {
    const waitMs = cacheLimits.waitMsMax + tickMs;
    for (const [i, read] of reads.entries()) {
      const wrong = wrongEnd(read.call, waitMs, read.read.revision > 0);
      if (wrong !== null) report(`${labelOf(read, i)}: ${wrong}`);
    }
    for (const [i, { call }] of writes.entries()) {
      const wrong = wrongEnd(call, 0, false);
      if (wrong !== null) report(`transaction ${i} of ${call.facts.tenant}: ${wrong}`);
    }
  },
};

/** Null if the call has ended as it should. */
function wrongEnd(call: ObservedCall, waitMs: number, mayBeOutOfRange: boolean): string | null {
  const { passed, ended, status } = call;
  const { arrived, hasDeadline } = call.facts;
  if (call.isOpen || ended === null) return 'has not ended';
  const left = passed ?? ended;
  if (left.atMs - arrived.atMs > waitMs) return `waited for ${left.atMs - arrived.atMs} ms`;
  if (status === null || status.code === Code.OK) return null;
  if (isFromMemory(call)) return `failed without etcd: ${status.text}`;
  const isExpected =
    status.code === Code.UNAVAILABLE ||
    (hasDeadline && status.code === Code.DEADLINE_EXCEEDED) ||
    (mayBeOutOfRange && status.code === Code.OUT_OF_RANGE);
  return isExpected ? null : `failed with ${status.text}`;
}
