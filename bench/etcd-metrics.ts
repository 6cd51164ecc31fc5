/** Counters of etcd's own `/metrics`. */

export interface EtcdCounters {
  /** Bytes of gRPC messages that etcd has sent to clients, and received from them. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Requests: one per unary call, one per message of a stream. */
  readonly requests: number;
  /** Calls started, streams included. */
  readonly calls: number;
  readonly watchers: number;
}

/** The sum over all series of a metric. 0 if it has none. */
export function sumOf(text: string, metric: string): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith(metric)) continue;
    const rest = line.slice(metric.length);
    if (rest.startsWith(' ') || rest.startsWith('{'))
      sum += Number(rest.slice(rest.lastIndexOf(' ')));
  }
  return sum;
}

export function parseCounters(text: string): EtcdCounters {
  return {
    sentBytes: sumOf(text, 'etcd_network_client_grpc_sent_bytes_total'),
    receivedBytes: sumOf(text, 'etcd_network_client_grpc_received_bytes_total'),
    requests: sumOf(text, 'grpc_server_msg_received_total'),
    calls: sumOf(text, 'grpc_server_started_total'),
    watchers: sumOf(text, 'etcd_debugging_mvcc_watcher_total'),
  };
}

export async function readCounters(origin: string): Promise<EtcdCounters> {
  const response = await fetch(`${origin}/metrics`);
  return parseCounters(await response.text());
}
