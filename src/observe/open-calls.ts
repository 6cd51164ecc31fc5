/** How many calls are open, by kind: what a drain still waits for, or has aborted. */
import { type Method, methods } from '../etcd/methods.ts';
import type { CallCounters } from './call-counters.ts';

export interface OpenCalls {
  readonly unary: number;
  /** Unary calls that wait for other clients, such as Lock. */
  readonly waiting: number;
  readonly watch: number;
  readonly keepalive: number;
  /** Other streams, such as Observe and Snapshot. */
  readonly stream: number;
}

export const noOpenCalls: OpenCalls = { unary: 0, waiting: 0, watch: 0, keepalive: 0, stream: 0 };

export function openCalls(counters: CallCounters): OpenCalls {
  const open: Record<keyof OpenCalls, number> = { ...noOpenCalls };
  for (const method of methods) open[kindOf(method)] += counters.open(method);
  return open;
}

/** Of several workers. */
export function sumOfOpenCalls(each: readonly OpenCalls[]): OpenCalls {
  const sum: Record<keyof OpenCalls, number> = { ...noOpenCalls };
  for (const kind of Object.keys(sum) as (keyof OpenCalls)[]) {
    for (const open of each) sum[kind] += open[kind];
  }
  return sum;
}

function kindOf({ requestStream, responseStream, breaker, waits }: Method): keyof OpenCalls {
  if (requestStream) return breaker === 'lease' ? 'keepalive' : 'watch';
  if (responseStream) return 'stream';
  return waits ? 'waiting' : 'unary';
}
