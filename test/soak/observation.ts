/**
 * What the soak measures: figures of the proxy's own /metrics after a garbage collection, and of etcd's, which show
 * whether the proxy has left anything open there.
 */
import { fileURLToPath } from 'node:url';
import { Exposition } from '../support/exposition.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { until } from '../support/until.ts';
import { collectedEvent, type Left, leftEvent } from './collect.ts';

/** Node's arguments for a process that can be observed. */
export const collecting: readonly string[] = [
  '--import',
  fileURLToPath(new URL('collect.ts', import.meta.url)),
];

const mib = 2 ** 20;

export interface Observation {
  readonly atMs: number;
  readonly rssMib: number;
  /** JavaScript objects in use, without the histories of shared watches: these grow up to bounds of their own. */
  readonly heapMib: number;
  /** What the heap has of the system, used or not. It gives back in its own time. */
  readonly heapCommittedMib: number;
  /** Memory outside of the heap that objects hold: read buffers, above all. */
  readonly externalMib: number;
  /** Resources that keep the event loop alive, by type. */
  readonly resources: ReadonlyMap<string, number>;
  readonly callsStarted: number;
  readonly callsOpen: number;
  readonly watchStreams: number;
}

export async function observe(sidecar: Sidecar): Promise<Observation> {
  await told(sidecar, 'SIGUSR2', collectedEvent);
  const metrics = new Exposition(await sidecar.page('/metrics'));
  const historyBytes = metrics.sum('etcd_bulkhead_watch_history_bytes');
  const started = metrics.sum('grpc_server_started_total');
  return {
    atMs: performance.now(),
    rssMib: metrics.sum('process_resident_memory_bytes') / mib,
    heapMib: (metrics.sum('nodejs_heap_size_used_bytes') - historyBytes) / mib,
    heapCommittedMib: metrics.sum('nodejs_heap_size_total_bytes') / mib,
    externalMib: metrics.sum('nodejs_external_memory_bytes') / mib,
    resources: metrics.byLabel('nodejs_active_resources', 'type'),
    callsStarted: started,
    callsOpen: started - metrics.sum('grpc_server_handled_total'),
    watchStreams: metrics.sum('etcd_bulkhead_watch_streams'),
  };
}

/** Counts objects on the proxy's heap. The proxy is paused meanwhile. */
export async function leftOnHeap(sidecar: Sidecar): Promise<Left> {
  return JSON.parse(await told(sidecar, 'SIGWINCH', leftEvent)) as Left;
}

/** The next line of an event, for which a signal asks. */
async function told(sidecar: Sidecar, signal: NodeJS.Signals, event: string): Promise<string> {
  const lines = () => sidecar.printed.split('\n').filter((each) => each.includes(event));
  const before = lines().length;
  sidecar.signal(signal);
  await until(event, () => lines().length > before);
  return lines().at(-1) ?? '';
}

export interface LeftInEtcd {
  readonly watchers: number;
  readonly watchStreams: number;
  /** Streams of every kind that have begun and not ended. */
  readonly openStreams: number;
}

/** What is open in the etcd that serves metrics at `url`. */
export async function leftInEtcd(url: string): Promise<LeftInEtcd> {
  const metrics = new Exposition(await (await fetch(`${url}/metrics`)).text());
  const label = 'grpc_type="bidi_stream"';
  return {
    watchers: metrics.sum('etcd_debugging_mvcc_watcher_total'),
    watchStreams: metrics.sum('etcd_debugging_mvcc_watch_stream_total'),
    openStreams:
      metrics.sum('grpc_server_started_total', label) -
      metrics.sum('grpc_server_handled_total', label),
  };
}
