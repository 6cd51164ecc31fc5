/**
 * The load generator: nghttp2's h2load. It sends one recorded gRPC request repeatedly and uses little CPU. It sees HTTP
 * statuses only; `measure-load.ts` checks that the calls also succeeded as gRPC.
 */
import { readFile } from 'node:fs/promises';
import type { Processes } from './processes.ts';
import type { LoadCase } from './scenario.ts';

export interface Load {
  /** `http` or `https`, host and port, and the gRPC method or the path. */
  readonly url: string;
  readonly bodyFile: string;
  /** Written by h2load, one line per request. h2load appends, so every run needs its own file. */
  readonly logFile: string;
  readonly shape: Pick<LoadCase, 'connections' | 'inFlightPerConnection' | 'requests' | 'isJson'>;
}

const grpcHeaders = ['--header=content-type: application/grpc', '--header=te: trailers'];
const jsonHeaders = ['--h1', '--header=content-type: application/json'];

export interface LoadOutcome {
  readonly succeeded: number;
  readonly perSecond: number;
  /** Bytes of DATA frames, gRPC's five-byte heads included. */
  readonly dataBytes: number;
}

export function h2loadArguments({ url, bodyFile, logFile, shape }: Load): readonly string[] {
  return [
    `--requests=${shape.requests}`,
    `--clients=${shape.connections}`,
    `--max-concurrent-streams=${shape.inFlightPerConnection}`,
    '--threads=1',
    `--data=${bodyFile}`,
    `--log-file=${logFile}`,
    ...(shape.isJson === true ? jsonHeaders : grpcHeaders),
    url,
  ];
}

function figure(output: string, pattern: RegExp): number {
  const match = pattern.exec(output);
  if (match === null) {
    throw new Error(`h2load said nothing like ${pattern.source}:\n${output}`);
  }
  return Number(match[1]);
}

/** Parses the summary that h2load prints. Throws if it is missing, because the run was not completed. */
export function parseSummary(output: string): LoadOutcome {
  return {
    succeeded: figure(output, /^status codes: (\d+) 2xx/m),
    perSecond: figure(output, /^finished in \S+, ([\d.]+) req\/s/m),
    dataBytes: figure(output, /^traffic:.*\((\d+)\) data$/m),
  };
}

/** Latencies in microseconds from h2load's log: start, status, time until the end of the response. */
export function parseLatenciesUs(log: string): readonly number[] {
  return log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number(line.split('\t')[2]));
}

export async function runLoad(
  processes: Processes,
  load: Load,
): Promise<{ outcome: LoadOutcome; latenciesUs: readonly number[] }> {
  const output = await processes.run('h2load', h2loadArguments(load));
  return {
    outcome: parseSummary(output),
    latenciesUs: parseLatenciesUs(await readFile(load.logFile, 'utf8')),
  };
}
