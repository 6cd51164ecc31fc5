/** The arguments of h2load, and what is read from its output, which is kept here as it was printed. */
import { describe, expect, test } from 'vitest';
import { h2loadArguments, parseLatenciesUs, parseSummary } from '../../../bench/h2load.ts';

const output = `starting benchmark...
spawning thread #0: 10 total client(s). 2000 total requests
Application protocol: h2c
progress: 100% done

finished in 133.04ms, 15033.19 req/s, 1.01MB/s
requests: 2000 total, 2000 started, 2000 done, 1999 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 1999 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 137.28KB (140570) total, 4.02KB (4120) headers (space savings 94.58%), 66.41KB (68000) data
                     min         max         mean         sd        +/- sd
time for request:      906us     15.11ms      6.19ms      3.10ms    68.90%
`;

describe("h2load's summary", () => {
  test('reports successes, throughput and bytes of messages', () => {
    expect(parseSummary(output)).toEqual({
      succeeded: 1999,
      perSecond: 15033.19,
      dataBytes: 68_000,
    });
  });

  test('is an error with the output in it when the run broke off', () => {
    const broken = output.slice(0, output.indexOf('finished'));
    expect(() => parseSummary(broken)).toThrow(/h2load said nothing like.*spawning thread/s);
  });
});

test("h2load's log yields one latency per request, in microseconds", () => {
  const log = '1795364972312134\t200\t1746\n1795364972312140\t200\t1783\n';
  expect(parseLatenciesUs(log)).toEqual([1746, 1783]);
  expect(parseLatenciesUs('')).toEqual([]);
});

test('h2load sends gRPC, in the shape of the case', () => {
  const args = h2loadArguments({
    url: 'http://127.0.0.1:2379/etcdserverpb.KV/Put',
    bodyFile: 'put.grpc',
    logFile: 'log.tsv',
    shape: { connections: 100, inFlightPerConnection: 10, requests: 5000 },
  });
  expect(args).toContain('--clients=100');
  expect(args).toContain('--max-concurrent-streams=10');
  expect(args).toContain('--requests=5000');
  expect(args).toContain('--data=put.grpc');
  expect(args).toContain('--header=content-type: application/grpc');
  expect(args).toContain('--header=te: trailers');
  expect(args.at(-1)).toBe('http://127.0.0.1:2379/etcdserverpb.KV/Put');
});
