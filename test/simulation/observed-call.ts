/** What clients observed of their reads and transactions. The invariants read this and the store, nothing of the cache. */
import type { Status } from '../../src/grpc/status.ts';
import type { Moment } from './observation.ts';
import type { ReadSpec } from './read-spec.ts';
import type { Operation } from './store.ts';

export interface ObservedBody {
  readonly moment: Moment;
  /** Of the header. */
  readonly revision: number;
  /** Everything after the header. */
  readonly fields: Uint8Array;
}

export interface CallFacts {
  readonly tenant: string;
  readonly connection: number;
  /** The client's own credentials are passed to etcd. */
  readonly hasCredentials: boolean;
  readonly hasDeadline: boolean;
  readonly arrived: Moment;
  /** The newest revision that the connection had received before. */
  readonly seen: number;
}

export class ObservedCall {
  readonly facts: CallFacts;
  /** When the call arrived at etcd, null if it did not. */
  passed: Moment | null = null;
  response: ObservedBody | null = null;
  status: Status | null = null;
  ended: Moment | null = null;
  isCancelled = false;

  constructor(facts: CallFacts) {
    this.facts = facts;
  }

  get isOpen(): boolean {
    return this.status === null && !this.isCancelled;
  }
}

export interface ObservedRead {
  readonly kind: 'read';
  readonly read: ReadSpec;
  readonly call: ObservedCall;
}

export interface ObservedWrite {
  readonly kind: 'write';
  readonly operations: readonly Operation[];
  readonly call: ObservedCall;
  /** The revision in the store, 0 if nothing was committed. */
  revision: number;
}
