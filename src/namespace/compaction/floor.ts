/**
 * Which reads lie below the tenant's own compaction. Asked only of tenants that have compacted, and of requests whose
 * form has been checked. As in etcd, the floor itself stays readable, and a revision of 0 or less means now.
 */
import { Reader } from '../../protobuf/reader.ts';

/** Whether `request` would certainly read a revision below `floor`. */
export type FloorCheck = (request: Uint8Array, floor: number) => boolean;

/** For a RangeRequest. */
export const isRangeBelow: FloorCheck = (request, floor) =>
  isRangeReadBelow(new Reader(request), floor);

/**
 * For a TxnRequest. Only operations that are certain to run count: those of a transaction without compares, and of such
 * transactions nested in it. A conditional one goes to the cluster, since refusing it could fail a write for the sake of
 * a read that would not have happened.
 */
export const isTxnBelow: FloorCheck = (request, floor) =>
  isTxnReadBelow(new Reader(request), floor);

function isRangeReadBelow(range: Reader, floor: number): boolean {
  let revision = 0;
  while (range.next()) if (range.field === 4) revision = range.number();
  return revision > 0 && revision < floor;
}

/** Recursion ends: the rewriter has bounded the depth. */
function isTxnReadBelow(txn: Reader, floor: number): boolean {
  let isBelow = false;
  while (txn.next()) {
    if (txn.field === 1) return false;
    if (txn.field === 2) isBelow ||= isOperationBelow(txn.message(), floor);
  }
  return isBelow;
}

/** A RequestOp: 1 is a range, 4 a transaction. */
function isOperationBelow(operation: Reader, floor: number): boolean {
  while (operation.next()) {
    if (operation.field === 1) return isRangeReadBelow(operation.message(), floor);
    if (operation.field === 4) return isTxnReadBelow(operation.message(), floor);
  }
  return false;
}
