/** Whether calls can be sent at present: the part of the upstream that layers which let calls wait depend on. */
import type { Method } from '../etcd/methods.ts';

export interface Availability {
  /** Whether an endpoint takes calls of this method. */
  isAvailable(method: Method): boolean;
  /** Whether calls of this method only have to wait because the members limit the streams of a connection. */
  isFull(method: Method): boolean;
  /**
   * Whether calls of this method only have to wait because their connection to a working endpoint is being dialed. That is short, and
   * not an outage.
   */
  isDialing(method: Method): boolean;
  /** Calls `listener` whenever `isAvailable` may have become true for some method, for the life of the process. */
  onAvailable(listener: () => void): void;
}
