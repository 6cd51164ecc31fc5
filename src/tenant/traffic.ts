/**
 * What the calls of one tenant have been so far: counts since the process started or since the state of the tenant began, and
 * what happened in about the last minute. It is part of the state of a tenant, so it survives reloads. Only additions, because
 * every call passes here.
 */
import { KeptLeases } from './kept-leases.ts';
import { RecentDurations } from './recent-durations.ts';

export class Traffic {
  /** Calls that were started, streams included. */
  calls = 0;
  /** Calls that have ended with another code than OK, except those that their client cancelled. */
  errors = 0;
  /** Those of the errors that the proxy originated. */
  refused = 0;
  /** Bytes of messages, of streams as well. */
  requestBytes = 0;
  responseBytes = 0;
  /**
   * Of unary calls that have ended, except those that wait for other clients, those that their client cancelled, and those that
   * the proxy refused without waiting for etcd.
   */
  readonly durations = new RecentDurations();
  readonly leases = new KeptLeases();
}
