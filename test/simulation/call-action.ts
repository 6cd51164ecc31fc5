/** What clients do besides watching, and restores of the store and of members. */
import type { ReadSpec } from './read-spec.ts';
import type { Operation } from './store.ts';

export interface ReadAction {
  readonly kind: 'read';
  readonly connection: number;
  readonly tenant: number;
  /** Its revisions are relative to the current one when the read is made, see `resolved`. */
  readonly read: ReadSpec;
  readonly requiresLeader: boolean;
  /** The client applies backpressure at once, for this long. 0: not at all. */
  readonly pauseMs: number;
  /** The client leaves after this time. 0: it does not. */
  readonly leaveMs: number;
  /** 0: without a deadline. */
  readonly timeoutMs: number;
}

export interface TxnAction {
  readonly kind: 'txn';
  readonly connection: number;
  readonly tenant: number;
  readonly operations: readonly Operation[];
}

/** All members stop, and start again with an older state of the store. */
export interface RestoreAction {
  readonly kind: 'restore';
  /** How many revisions are lost. */
  readonly back: number;
  readonly downMs: number;
}

/** One member starts again with an older state, and catches up later. */
export interface RewindAction {
  readonly kind: 'rewind';
  readonly member: number;
  /** How many entries of the log it has to apply again. */
  readonly entries: number;
  readonly forMs: number;
}

export type CallAction = ReadAction | TxnAction | RestoreAction | RewindAction;
