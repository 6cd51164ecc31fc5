/**
 * Which cluster the endpoints belong to. A member of another cluster holds other data, so it receives no calls. The cluster is
 * that of the first endpoint that has reported one. It is replaced when most endpoints report another one: the members were
 * restored or exchanged. One wrong address among several is therefore never used, also while the others are down.
 */
import type { Endpoint } from './endpoint.ts';

export class ClusterIdentity {
  /** 0n until an endpoint has reported its cluster. */
  #id = 0n;

  /** 0n until an endpoint has reported its cluster. */
  get id(): bigint {
    return this.#id;
  }

  /** Call after each change of an endpoint. Returns true if the cluster was replaced, so that nothing about it is true any more. */
  update(endpoints: readonly Endpoint[]): boolean {
    const reported = endpoints.map(({ health }) => health.clusterId).filter((id) => id !== 0n);
    const [first] = reported;
    if (first === undefined) return false;
    if (this.#id === 0n) {
      this.#id = first;
      return false;
    }
    const other = reported.find(
      (id) => 2 * reported.filter((each) => each === id).length > endpoints.length,
    );
    if (other === undefined || other === this.#id) return false;
    this.#id = other;
    return true;
  }

  /** Whether the endpoint may be a member. True until it has reported its cluster. */
  includes({ health }: Endpoint): boolean {
    return health.clusterId === 0n || health.clusterId === this.#id;
  }
}
