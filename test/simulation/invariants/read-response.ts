/** What the invariants of reads share. */
import { Code } from '../../../src/grpc/status.ts';
import type { ObservedBody, ObservedCall, ObservedRead } from '../observed-call.ts';
import { rangeAt } from '../range-model.ts';
import type { History } from './invariant.ts';

/** Calls `check` for each read with a response. */
export function eachResponse(
  { reads }: History,
  check: (read: ObservedRead, response: ObservedBody, label: string) => void,
): void {
  for (const [i, read] of reads.entries()) {
    const { response, status } = read.call;
    if (response !== null && status?.code === Code.OK) check(read, response, labelOf(read, i));
  }
}

export function labelOf({ call, read }: ObservedRead, index: number): string {
  const kind = read.isSerializable ? 'serializable' : 'linearizable';
  const from = isFromMemory(call) ? ' from memory' : '';
  return `read ${index} of ${call.facts.tenant} (${kind}${from}, turn ${call.facts.arrived.turn})`;
}

export function isFromMemory(call: ObservedCall): boolean {
  return call.passed === null;
}

/** Revisions that were the newest committed one in some epoch while a read was in progress. */
export interface Interval {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

/** From the arrival of the read until its response: an interval for each epoch in between. */
export function intervalsOf({ store }: History, { call }: ObservedRead): readonly Interval[] {
  const end = call.response?.moment ?? call.facts.arrived;
  const intervals: Interval[] = [];
  for (let { epoch } = call.facts.arrived; epoch <= end.epoch; epoch++) {
    const { first, last } = store.revisionsOf(epoch);
    intervals.push({
      epoch,
      first: epoch === call.facts.arrived.epoch ? call.facts.arrived.committed : first,
      last: epoch === end.epoch ? end.committed : last,
    });
  }
  return intervals;
}

/** Whether the store, as it was in an epoch, gives the response at exactly the revision of its header. */
export function isExact(
  { store }: History,
  { read, call }: ObservedRead,
  { revision, fields }: ObservedBody,
  epoch: number,
): boolean {
  const at = read.revision > 0 ? read.revision : revision;
  const expected = rangeAt(store.eventsOf(call.facts.tenant, epoch), read, at);
  return Buffer.compare(expected, fields) === 0;
}
