/** The report of every endpoint of an upstream, for /upstreamz. */
import type { EndpointReport } from '../admin/reports.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** Only what the page shows: the primary process combines the equal rows of its workers. */
export function endpointReports(upstream: Upstream): readonly EndpointReport[] {
  return upstream
    .snapshot()
    .map(({ name, state, lastError, version, role, dbBytes, connections, openStreams }) => ({
      ...{ name, state, lastError, version, role, dbBytes, connections, openStreams },
    }));
}
