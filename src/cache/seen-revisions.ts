/**
 * The newest revision that each client connection has received in a response. A read from memory is never older: a client reads
 * its own writes, and never an older state than before.
 */

import { revisionOfResponse } from '../etcd/response-header.ts';
import type { Peer } from '../grpc/transport.ts';

export class SeenRevision {
  revision = 0;

  /** Every response of the API begins with its header. Errors and messages without one change nothing. */
  note(response: Uint8Array): void {
    this.noteRevision(revisionOfResponse(response));
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
