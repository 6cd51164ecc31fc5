/**
 * The newest revision that each client connection has received in a response. A read from memory is never older: a client reads
 * its own writes, and never an older state than before.
 */

import { revisionOf } from '../etcd/response-header.ts';
import type { Peer } from '../grpc/transport.ts';
import { Reader } from '../protobuf/reader.ts';

export class SeenRevision {
  revision = 0;

  /** Every response of the API begins with its header. Errors and messages without one change nothing. */
  note(response: Uint8Array): void {
    const reader = new Reader(response);
    if (!reader.next() || reader.field !== 1 || reader.wireType !== 2) return;
    this.noteRevision(revisionOf(reader.bytes()));
  }

  noteRevision(revision: number): void {
    if (revision > this.revision) this.revision = revision;
  }
}

export class SeenRevisions {
  readonly #byPeer = new WeakMap<Peer, SeenRevision>();

  of(peer: Peer): SeenRevision {
    let seen = this.#byPeer.get(peer);
    if (seen === undefined) {
      seen = new SeenRevision();
      this.#byPeer.set(peer, seen);
    }
    return seen;
  }
}
