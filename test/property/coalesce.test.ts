/**
 * Single-flight reads against a model store, in seeded runs: clients of two tenants write, read, cancel and time out while
 * etcd evaluates reads late and responds in any order. A linearizable read never returns a state older than its own
 * beginning, a serializable one never a state that did not exist, no read the state of another tenant, and every call ends
 * exactly once.
 */
import { expect, test } from 'vitest';
import type { Message } from '../../src/call/call.ts';
import { Code, status } from '../../src/grpc/status.ts';
import { coalesce, ReadStats } from '../../src/reads/coalesce.ts';
import { Deadlines } from '../../src/runtime/deadlines.ts';
import { Caller } from '../support/caller.ts';
import { encodeRequest } from '../support/codec.ts';
import { type EtcdCall, FakeEtcd } from '../support/fake-etcd.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { commitSeed, Seeded } from '../support/seeded.ts';
import { callOf, onBytes, testTenant } from '../support/test-call.ts';

const range = 'etcdserverpb.KV/Range';
const runs = 300;
const steps = 80;

interface Read {
  readonly caller: Caller;
  readonly handle: { cancel(): void };
  readonly tenant: string;
  readonly key: string;
  readonly isSerializable: boolean;
  readonly revisionAtStart: number;
  readonly deadlineMs: number;
  isCancelled: boolean;
}

class World {
  readonly random: Seeded;
  readonly clock = new ManualClock();
  readonly etcd = new FakeEtcd<'tenant'>();
  readonly stats = new ReadStats();
  readonly tenants = [testTenant('one'), testTenant('two')] as const;
  readonly layer;
  readonly reads: Read[] = [];
  /** Calls at etcd without an end. */
  inFlight: EtcdCall<'tenant'>[] = [];
  /** The revision at which a read in flight has read the store. */
  readonly evaluated = new Map<EtcdCall<'tenant'>, number>();
  revision = 1;

  constructor(seed: number) {
    this.random = new Seeded(seed);
    this.etcd.onCall = (call) => void this.inFlight.push(call);
    this.layer = onBytes(
      coalesce({
        isEnabled: true,
        clock: this.clock,
        deadlines: new Deadlines(this.clock),
        stats: this.stats,
        isShared: () => true,
      })(this.etcd),
    );
  }

  step(): void {
    const { random } = this;
    switch (random.below(9)) {
      case 0:
        this.revision += 1;
        break;
      case 1:
        this.cancel();
        break;
      case 2:
        this.clock.advance(random.below(60));
        this.expire();
        break;
      case 3:
        this.evaluate();
        break;
      case 4:
      case 5:
        this.respond();
        break;
      default:
        this.read();
    }
  }

  read(): void {
    const { random } = this;
    const tenant = random.pick(this.tenants);
    const key = random.pick(['a', 'b']);
    const isSerializable = random.chance(0.7);
    const deadlineMs = random.chance(0.5)
      ? this.clock.nowMs() + 1 + random.below(300)
      : Number.POSITIVE_INFINITY;
    const caller = new Caller();
    const request = encodeRequest(range, { key: Buffer.from(key), serializable: isSerializable });
    const handle = this.layer.unary(callOf(range, { tenant, deadlineMs }), request, caller);
    const revisionAtStart = this.revision;
    this.reads.push({
      ...{ caller, handle, tenant: tenant.name, key, isSerializable },
      ...{ revisionAtStart, deadlineMs, isCancelled: false },
    });
  }

  cancel(): void {
    const open = this.reads.filter(({ caller, isCancelled }) => !(caller.status || isCancelled));
    if (open.length === 0) return;
    const read = this.random.pick(open);
    read.isCancelled = true;
    read.handle.cancel();
  }

  /** The guard ends calls at their deadline. */
  expire(): void {
    for (const call of [...this.inFlight]) {
      if (call.isCancelled || call.isEnded || call.call.deadlineMs > this.clock.nowMs()) continue;
      call.end(status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded'));
    }
    this.inFlight = this.inFlight.filter((call) => !(call.isCancelled || call.isEnded));
  }

  /** etcd reads the store at any moment between the request and the response. */
  evaluate(): void {
    const open = this.inFlight.filter((call) => !this.evaluated.has(call));
    if (open.length > 0) this.evaluated.set(this.random.pick(open), this.revision);
  }

  respond(): void {
    this.inFlight = this.inFlight.filter((call) => !(call.isCancelled || call.isEnded));
    if (this.inFlight.length === 0) return;
    const call = this.random.pick(this.inFlight);
    this.inFlight = this.inFlight.filter((each) => each !== call);
    if (this.random.chance(0.1)) call.fail(Code.UNAVAILABLE, 'etcdserver: leader changed');
    else call.respond(stateOf(call, this.evaluated.get(call) ?? this.revision));
  }
}

function stateOf({ call, request }: EtcdCall<'tenant'>, revision: number): string {
  return `${call.tenant?.name} ${keyIn(request)} ${revision}`;
}

function keyIn(request: Message<'tenant'>): string {
  return String.fromCharCode(request[2] ?? 0);
}

function check(world: World): void {
  for (const read of world.reads) {
    const { caller, isCancelled, deadlineMs } = read;
    if (isCancelled) {
      expect([caller.texts, caller.status]).toEqual([[], null]);
      continue;
    }
    expect(caller.status).not.toBeNull();
    if (caller.code === Code.DEADLINE_EXCEEDED) {
      expect(deadlineMs).toBeLessThanOrEqual(world.clock.nowMs());
    }
    if (!caller.isOk) continue;
    expect(caller.texts).toHaveLength(1);
    const [tenant, key, revision] = (caller.texts[0] ?? '').split(' ');
    expect([tenant, key]).toEqual([read.tenant, read.key]);
    if (!read.isSerializable) {
      expect(Number(revision)).toBeGreaterThanOrEqual(read.revisionAtStart);
    }
    expect(Number(revision)).toBeLessThanOrEqual(world.revision);
  }
}

test('reads that share a read keep the guarantees of their own', () => {
  const first = commitSeed();
  let joined = 0;
  for (let seed = first; seed < first + runs; seed += 1) {
    const world = new World(seed);
    try {
      for (let i = 0; i < steps; i += 1) world.step();
      for (let i = 0; i < 1_000 && world.inFlight.length > 0; i += 1) world.respond();
      world.clock.advance(1_000);
      world.expire();
      for (let i = 0; i < 1_000 && world.inFlight.length > 0; i += 1) world.respond();
      check(world);
    } catch (error) {
      throw new Error(`repeat with SEED=${seed}`, { cause: error });
    }
    joined += world.stats.joined;
  }
  expect(joined).toBeGreaterThan(runs);
});
