/**
 * Failures of the upstream are invisible to clients: a stream ends only with Unavailable, and only because one of its creates
 * has waited too long for a response, or because it requires a leader. A rejected create never shows a stale token of the
 * proxy's login.
 */
import { Code } from '../../../src/grpc/status.ts';
import type { Invariant } from './invariant.ts';

const joinTimedOut = 'etcd did not respond to a watch in time';

export const continuous: Invariant = {
  name: 'continuous',
  check: ({ streams }, report) => {
    for (const { name, status, creating, requiresLeader, responses } of streams) {
      const stale = responses.find(({ reason }) => reason.includes('invalid auth token'));
      if (stale !== undefined) report(`${name}: "${stale.reason}"`);
      if (status === null) continue;
      const isLeaderLost = requiresLeader && status.text === 'etcdserver: no leader';
      if (status.code !== Code.UNAVAILABLE) report(`${name}: ended with ${status.code}`);
      else if (!isLeaderLost && (creating.length === 0 || status.text !== joinTimedOut)) {
        report(`${name}: ended with "${status.text}", ${creating.length} creates were waiting`);
      }
    }
  },
};
