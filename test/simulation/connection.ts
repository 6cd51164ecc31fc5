/** One connection of a simulated client, with all streams and calls on it. */
import type { Peer } from '../../src/grpc/transport.ts';

/** The listener whose clients have credentials of their own at etcd. */
export const credentialsListener = 'credentials';

export class Connection {
  readonly peer: Peer;
  /** The client's own credentials are passed to etcd. */
  readonly hasCredentials: boolean;
  /** The newest revision in any response so far. */
  seen = 0;

  constructor(index: number, hasCredentials: boolean) {
    this.hasCredentials = hasCredentials;
    const listener = hasCredentials ? credentialsListener : 'main';
    this.peer = { listener, remote: `127.0.0.1:${50_000 + index}`, certificate: null };
  }

  note(revision: number): void {
    this.seen = Math.max(this.seen, revision);
  }
}
