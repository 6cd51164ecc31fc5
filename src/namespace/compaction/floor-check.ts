/**
 * Which reads lie below the tenant's own compaction. Checked after the request was rewritten, so its form is known to be
 * valid.
 */
import { Reader } from '../../protobuf/reader.ts';
import type { CompactionFloor } from '../../tenant/compaction-floor.ts';

/** Whether `request` would certainly read a revision below `floor`. */
export type FloorCheck = (request: Uint8Array, floor: CompactionFloor) => boolean;

/** For a RangeRequest. */
export const isRangeBelow: FloorCheck = (request, floor) =>
  floor.revision > 0 && isRangeReadBelow(new Reader(request), floor);

/**
 * For a TxnRequest. Only operations that are certain to run count: those of a transaction without compares, and of such
 * transactions nested in it. Conditional operations go to the cluster, because rejecting them could fail a write for a read
 * that would not have happened.
 */
export const isTxnBelow: FloorCheck = (request, floor) =>
  floor.revision > 0 && isTxnReadBelow(new Reader(request), floor);

function isRangeReadBelow(range: Reader, floor: CompactionFloor): boolean {
  let revision = 0;
  while (range.next()) if (range.field === 4) revision = range.number();
  return floor.isAbove(revision);
}

/** The rewriter has bounded the depth of the recursion. */
function isTxnReadBelow(txn: Reader, floor: CompactionFloor): boolean {
  let isBelow = false;
  while (txn.next()) {
    if (txn.field === 1) return false;
    if (txn.field === 2) isBelow ||= isOperationBelow(txn.message(), floor);
  }
  return isBelow;
}

/** A RequestOp: 1 is a range, 4 a transaction. */
function isOperationBelow(operation: Reader, floor: CompactionFloor): boolean {
  while (operation.next()) {
    if (operation.field === 1) return isRangeReadBelow(operation.message(), floor);
    if (operation.field === 4) return isTxnReadBelow(operation.message(), floor);
  }
  return false;
}
