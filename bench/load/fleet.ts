/** A load program: simulated processes that register themselves and observe each other. */
import { DeliveryTotals } from './delivery-check.ts';
import { type FleetPlan, FleetProcess, FleetState } from './fleet-process.ts';
import { Http2Client } from './http2-client.ts';
import { reportProgress, serve } from './program.ts';

const pollMs = 20;
const progressMs = 1000;

export interface FleetShare extends FleetPlan {
  readonly port: number;
  /** Connections of this program. */
  readonly connections: number;
  /** This program runs the processes `first`, `first + step`, … of all. */
  readonly first: number;
  readonly step: number;
  /** How many processes join at the same time. */
  readonly joinsAtOnce: number;
  readonly timeoutMs: number;
}

export interface Joined {
  /** Until the last process watches. */
  readonly joinedMs: number;
  /** Until every process knows every other of its namespace; null if that did not happen in time. */
  readonly everyoneMs: number | null;
  readonly unseen: number;
  readonly failures: number;
  readonly firstFailure: string | null;
}

export interface Observed {
  readonly delivered: number;
  readonly missed: number;
  readonly repeated: number;
  readonly reordered: number;
  readonly failures: number;
  readonly firstFailure: string | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
}

export type FleetCommands = {
  join: (share: FleetShare) => Promise<Joined>;
  /** Updates keys for so long. Returns the last sequence number of each process of this program, by its ID. */
  update: (load: { seconds: number; perSecond: number }) => Promise<Record<number, number>>;
  /** Waits until every process has the events up to these sequence numbers. What is not there in time is missed. */
  settle: (until: { final: Record<number, number>; timeoutMs: number }) => Promise<Observed>;
};

const totals = new DeliveryTotals();
const state = new FleetState(totals);
const processes = new Map<number, FleetProcess>();
let perNamespace = 0;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(isDone: () => boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!isDone() && performance.now() < deadlineMs) await sleep(pollMs);
}

async function joinAll(share: FleetShare): Promise<Joined> {
  const startedMs = performance.now();
  const { namespaces, connections, first, step, joinsAtOnce, port, timeoutMs } = share;
  perNamespace = share.processes;
  const total = namespaces * perNamespace;
  const clients: Http2Client[] = [];
  for (let id = first; id < total; id += step) {
    // Registered before the first joins, so that `unseen` is complete.
    const client = clients[processes.size % connections] ?? new Http2Client(port);
    if (clients.length < connections) clients.push(client);
    processes.set(id, new FleetProcess(client, share, state, id));
  }
  const waiting = [...processes.values()];
  const lanes = Array.from({ length: joinsAtOnce }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      try {
        await next.join();
      } catch (error) {
        state.fail(error instanceof Error ? error.message : String(error));
      }
    }
  });
  await Promise.all(lanes);
  const joinedMs = performance.now() - startedMs;
  await until(() => state.unseen === 0, timeoutMs);
  const everyoneMs = state.unseen === 0 ? performance.now() - startedMs : null;
  const { unseen, failures, firstFailure } = state;
  return { joinedMs, everyoneMs, unseen, failures, firstFailure };
}

function lacks(final: Record<number, number>): number {
  let events = 0;
  const byNamespace = new Map<number, number[]>();
  for (const process of processes.values()) {
    let sequences = byNamespace.get(process.namespace);
    if (sequences === undefined) {
      const firstId = process.namespace * perNamespace;
      sequences = Array.from({ length: perNamespace }, (_, index) => final[firstId + index] ?? 0);
      byNamespace.set(process.namespace, sequences);
    }
    events += process.check.lacks(sequences);
  }
  return events;
}

function showProgress(): void {
  const { joined, unseen, failures } = state;
  const failed = failures > 0 ? `, ${failures} failures` : '';
  const pairs = unseen > 0 ? `, ${unseen.toLocaleString('en-US')} views missing` : '';
  const events = totals.delivered.toLocaleString('en-US');
  reportProgress(`${joined} joined${pairs}, ${events} events${failed}`);
}

setInterval(showProgress, progressMs);

serve({
  join: joinAll,

  async update({ seconds, perSecond }) {
    totals.clear();
    for (const process of processes.values()) process.update(perSecond);
    await sleep(seconds * 1000);
    for (const process of processes.values()) process.stopUpdates();
    return Object.fromEntries([...processes].map(([id, { sequence }]) => [id, sequence]));
  },

  async settle({ final, timeoutMs }) {
    await until(() => lacks(final) === 0, timeoutMs);
    const { delivered, missed, repeated, reordered, latencyUs } = totals;
    const { failures, firstFailure } = state;
    return {
      delivered,
      missed: missed + lacks(final),
      repeated,
      reordered,
      failures,
      firstFailure,
      p50Us: latencyUs.percentile(0.5),
      p99Us: latencyUs.percentile(0.99),
    };
  },
} satisfies FleetCommands);
