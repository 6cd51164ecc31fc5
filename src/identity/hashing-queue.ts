/**
 * The queue of passwords that wait to be hashed. It is fair between client addresses, and between the connections of an address:
 * addresses take turns, and so do the connections within the turns of their address. The elements of one connection stay in
 * order. A full queue makes room for a client with fewer elements.
 */

/** What an element is queued for. Connections are compared by identity. */
export interface Source {
  readonly address: string;
  readonly connection: object;
}

export class HashingQueue<T> {
  /** In the order of their turns. Has no empty lists and no empty maps. */
  readonly #byAddress = new Map<string, Map<object, T[]>>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  lengthOf(address: string): number {
    let length = 0;
    for (const elements of this.#byAddress.get(address)?.values() ?? []) length += elements.length;
    return length;
  }

  push({ address, connection }: Source, element: T): void {
    const connections = this.#byAddress.get(address) ?? new Map<object, T[]>();
    const elements = connections.get(connection) ?? [];
    elements.push(element);
    connections.set(connection, elements);
    this.#byAddress.set(address, connections);
    this.#length += 1;
  }

  /** Removes the element that has its turn. */
  shift(): T | undefined {
    for (const [address, connections] of this.#byAddress) {
      for (const [connection, elements] of connections) {
        const element = elements.shift();
        this.#length -= 1;
        // Both move to the end, unless they are empty now.
        connections.delete(connection);
        if (elements.length > 0) connections.set(connection, elements);
        this.#byAddress.delete(address);
        if (connections.size > 0) this.#byAddress.set(address, connections);
        return element;
      }
    }
    return undefined;
  }

  /**
   * Removes the newest element of the address that has most, if `source` then still has fewer. Returns undefined if all have
   * their share.
   */
  displace(source: Source): T | undefined {
    let [heaviest, most] = [source.address, 0];
    for (const address of this.#byAddress.keys()) {
      const length = this.lengthOf(address);
      if (length > most) [heaviest, most] = [address, length];
    }
    if (heaviest === source.address) return this.displaceWithin(source);
    if (most <= this.lengthOf(source.address) + 1) return undefined;
    return this.#removeNewest(heaviest);
  }

  /** The same between the connections of the address of `source`. */
  displaceWithin({ address, connection }: Source): T | undefined {
    const connections = this.#byAddress.get(address) ?? new Map<object, T[]>();
    const most = Math.max(0, ...Array.from(connections.values(), ({ length }) => length));
    const own = connections.get(connection)?.length ?? 0;
    return most <= own + 1 ? undefined : this.#removeNewest(address);
  }

  /** Of the connection that has most. */
  #removeNewest(address: string): T | undefined {
    const connections = this.#byAddress.get(address);
    let heaviest: [object, T[]] | null = null;
    for (const entry of connections ?? []) {
      if (heaviest === null || entry[1].length > heaviest[1].length) heaviest = entry;
    }
    if (connections === undefined || heaviest === null) return undefined;
    const [connection, elements] = heaviest;
    const element = elements.pop();
    this.#length -= 1;
    if (elements.length === 0) connections.delete(connection);
    if (connections.size === 0) this.#byAddress.delete(address);
    return element;
  }
}
