/**
 * Measures one load case: rounds of h2load against each target in turn. h2load sees HTTP statuses only, so every round is
 * validated: a round of puts must raise etcd's revision by exactly its number of puts, and a round of reads must return
 * exactly its number of responses of the known size.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GrpcClient } from './grpc-client.ts';
import { runLoad } from './h2load.ts';
import { grpcFrame, keyValuesOf, putRequest, rangeRequest, revisionOf } from './messages.ts';
import { cpuBetweenNs, readCpu, readMemory } from './proc.ts';
import type { Processes } from './processes.ts';
import {
  type CaseResult,
  type LoadCase,
  type Sample,
  sampleOf,
  type TargetName,
} from './scenario.ts';
import { percentile, rotated } from './statistics.ts';
import { namespace } from './targets.ts';
import { type Target, World } from './world.ts';

const putPath = '/etcdserverpb.KV/Put';
const rangePath = '/etcdserverpb.KV/Range';
const jsonPutPath = '/v3/kv/put';
const value = Buffer.alloc(256, 'v');
const key = 'key';
const rangeKeyCount = 10_000;
const concurrentSeedsMax = 100;
/** Waits for deferred work, such as closing connections and garbage collection, so that it counts for its round. */
const settleMs = 100;

/** One target of this case, with the request that h2load sends and the size of the expected response. */
interface Contender {
  readonly target: Target;
  readonly bodyFile: string;
  readonly responseFrameBytes: number;
}

export interface MeasureOptions {
  readonly names: readonly TargetName[];
  readonly rounds: number;
  readonly isTls: boolean;
  readonly processes: Processes;
}

export interface Measured extends CaseResult {
  readonly absent: ReadonlyMap<TargetName, string>;
}

/** Rejects if a target returns a wrong response. */
export async function measureLoad(subject: LoadCase, options: MeasureOptions): Promise<Measured> {
  await using world = await World.start(options.names, options.isTls, options.processes);
  using etcd = world.client(world.etcd);
  if (subject.operation === 'range') {
    await seedRange(etcd);
  }
  const contenders: Contender[] = [];
  for (const target of world.targets) {
    contenders.push(await prepare(world, etcd, target, subject));
  }
  const samples: Partial<Record<TargetName, Sample[]>> = {};
  for (const contender of contenders) {
    // A whole round, because a just-in-time compiler needs thousands of calls to settle.
    await sampleOnce(world, etcd, contender, subject);
    samples[contender.target.name] = [];
  }
  for (let round = 0; round < options.rounds; round += 1) {
    for (const contender of rotated(contenders, round)) {
      const sample = await sampleOnce(world, etcd, contender, subject);
      samples[contender.target.name]?.push(sample);
    }
  }
  return { case: subject, samples, absent: world.absent };
}

async function seedRange(etcd: GrpcClient): Promise<void> {
  for (let first = 0; first < rangeKeyCount; first += concurrentSeedsMax) {
    const indices = Array.from({ length: concurrentSeedsMax }, (_, offset) => first + offset);
    await Promise.all(
      indices.map((index) => {
        const name = `${namespace}range/${String(index).padStart(5, '0')}`;
        return etcd.unary(putPath, putRequest(name, value));
      }),
    );
  }
}

function requestOf(subject: LoadCase, keyPrefix: string): Buffer {
  switch (subject.operation) {
    case 'put':
      return putRequest(keyPrefix + key, value);
    case 'get':
      return rangeRequest(keyPrefix + key);
    case 'range':
      return rangeRequest(`${keyPrefix}range/`, `${keyPrefix}range0`);
    default:
      return subject.operation satisfies never;
  }
}

/** Puts a value through the target, checks it in etcd and reads it back, then writes the request for h2load. */
async function prepare(
  world: World,
  etcd: GrpcClient,
  target: Target,
  subject: LoadCase,
): Promise<Contender> {
  using client = world.client(target);
  const { keyPrefix } = target;
  const marker = Buffer.from(`written through ${target.name}`);
  await client.unary(putPath, putRequest(keyPrefix + key, marker));
  await expectValue(etcd, namespace + key, marker, `etcd after a put through ${target.name}`);
  await expectValue(client, keyPrefix + key, marker, target.name);
  await client.unary(putPath, putRequest(keyPrefix + key, value));

  const request = requestOf(subject, keyPrefix);
  const response = await client.unary(subject.operation === 'put' ? putPath : rangePath, request);
  if (subject.operation === 'range' && keyValuesOf(response).length !== rangeKeyCount) {
    throw new Error(`${target.name} returned ${keyValuesOf(response).length} keys of a range`);
  }
  const bodyFile = world.processes.newFile(`${target.name}.grpc`);
  writeFileSync(bodyFile, subject.isJson === true ? jsonPut(keyPrefix + key) : grpcFrame(request));
  return { target, bodyFile, responseFrameBytes: grpcFrame(response).length };
}

function jsonPut(name: string): string {
  return JSON.stringify({
    key: Buffer.from(name).toString('base64'),
    value: value.toString('base64'),
  });
}

function pathOf({ operation, isJson }: LoadCase): string {
  if (operation !== 'put') return rangePath;
  return isJson === true ? jsonPutPath : putPath;
}

async function expectValue(
  client: GrpcClient,
  name: string,
  expected: Uint8Array,
  who: string,
): Promise<void> {
  const [found] = keyValuesOf(await client.unary(rangePath, rangeRequest(name)));
  if (found?.key !== name || Buffer.compare(found.value, expected) !== 0) {
    throw new Error(`${who} does not have the value under ${name} that was just written`);
  }
}

async function currentRevision(etcd: GrpcClient): Promise<number> {
  return revisionOf(await etcd.unary(rangePath, rangeRequest(namespace + key)));
}

async function sampleOnce(
  world: World,
  etcd: GrpcClient,
  { target, bodyFile, responseFrameBytes }: Contender,
  subject: LoadCase,
): Promise<Sample> {
  const revisionBefore = await currentRevision(etcd);
  await sleep(settleMs);
  const cpuBefore = readCpu(target.pid);
  const etcdCpuBefore = readCpu(world.etcd.pid);
  const { outcome, latenciesUs } = await runLoad(world.processes, {
    url: target.origin + pathOf(subject),
    bodyFile,
    logFile: world.processes.newFile('h2load.tsv'),
    shape: subject,
  });
  await sleep(settleMs);
  const cpuNs = cpuBetweenNs(cpuBefore, readCpu(target.pid));
  const etcdCpuNs = cpuBetweenNs(etcdCpuBefore, readCpu(world.etcd.pid));

  const wrote = (await currentRevision(etcd)) - revisionBefore;
  const { requests } = subject;
  const didAll =
    subject.operation === 'put'
      ? wrote === requests
      : wrote === 0 && outcome.dataBytes === requests * responseFrameBytes;
  if (outcome.succeeded !== requests || latenciesUs.length !== requests || !didAll) {
    throw new Error(
      `${target.name} did not serve ${requests} of ${subject.name}: ${outcome.succeeded} HTTP successes, ` +
        `${outcome.dataBytes} bytes of messages, ${wrote} revisions`,
    );
  }
  return sampleOf({
    cpuUs: cpuNs / 1000 / requests,
    etcdCpuUs: etcdCpuNs / 1000 / requests,
    perSecond: outcome.perSecond,
    p50Us: percentile(latenciesUs, 0.5),
    p99Us: percentile(latenciesUs, 0.99),
    etcdStreams: null,
    ...readMemory(target.pid),
  });
}
