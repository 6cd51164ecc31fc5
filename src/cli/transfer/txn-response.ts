/** Reads the outcome of a transaction. */
import { Reader } from '../../protobuf/reader.ts';
import { type Header, noHeader, readHeader } from './key-value.ts';

export interface TxnOutcome {
  readonly header: Header;
  /** Whether all compares were true, so that the operations were executed. */
  readonly hasSucceeded: boolean;
}

/** Throws for bytes that are not a TxnResponse. */
export function readTxn(response: Uint8Array): TxnOutcome {
  const reader = new Reader(response);
  let header = noHeader;
  let hasSucceeded = false;
  while (reader.next()) {
    if (reader.field === 1) header = readHeader(reader.message());
    else if (reader.field === 2) hasSucceeded = reader.bool();
  }
  if (reader.malformed) throw new Error('the response of etcd is malformed');
  return { header, hasSucceeded };
}
