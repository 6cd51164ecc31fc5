/**
 * What is below the watch layer: a faulty way to the members of a cluster. It serves Watch, Range and Txn, and checks that the
 * hub keeps the contract of src/call/call.ts.
 */
import {
  type Call,
  type Etcd,
  type Message,
  type Requests,
  type Responses,
  tenantOf,
} from '../../src/call/call.ts';
import { type CallHandle, endedCall } from '../../src/grpc/call.ts';
import { metadataValue } from '../../src/grpc/metadata.ts';
import { Code, status } from '../../src/grpc/status.ts';
import type { Seeded } from '../support/seeded.ts';
import { type Faults, noFaults } from './faults.ts';
import type { Member } from './member.ts';
import { lost } from './send-loop.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Store } from './store.ts';
import { notSent, UnaryServer, type UnaryServerHost } from './unary-server.ts';
import { WatchServer, type WatchServerHost } from './watch-server.ts';

const noLeader = status(Code.UNAVAILABLE, 'etcdserver: no leader', 'peer');

export interface UpstreamOptions {
  readonly store: Store;
  readonly members: readonly Member[];
  readonly time: SimulatedTime;
  readonly random: Seeded;
  readonly faults: Faults;
  /** A unary call has passed all layers. */
  readonly onUnary: (call: Call) => void;
  /** The transaction of a call is in the log of the store. */
  readonly onCommitted: (call: Call) => void;
  readonly onViolation: (what: string) => void;
}

export class Upstream implements Etcd<'tenant'>, WatchServerHost, UnaryServerHost {
  faults: Faults;
  isDown = false;
  /** Turns in which a fence failed. */
  readonly failedFences: number[] = [];
  readonly streams = new Set<WatchServer>();
  readonly store: Store;
  readonly members: readonly Member[];
  readonly time: SimulatedTime;
  readonly random: Seeded;
  readonly #options: UpstreamOptions;
  readonly #unaries = new UnaryServer(this);

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.store = options.store;
    this.members = options.members;
    this.time = options.time;
    this.random = options.random;
    this.faults = options.faults;
  }

  get openCalls(): number {
    return this.#unaries.calls.size;
  }

  onCommitted(call: Call): void {
    this.#options.onCommitted(call);
  }

  onFenceFailed(): void {
    this.failedFences.push(this.time.turn);
  }

  get openStreams(): number {
    return [...this.streams].filter((stream) => !stream.isOver).length;
  }

  onViolation(what: string): void {
    this.#options.onViolation(what);
  }

  /** Nothing fails any more. */
  calm(): void {
    const notifyMs = Math.max(this.faults.notifyMs, 2_000);
    this.faults = { ...this.faults, ...noFaults, notifyMs };
  }

  /** One member loses its streams and starts again with an older state. */
  rewind(index: number, entries: number, forMs: number): void {
    const member = this.members[index];
    if (member === undefined || this.isDown) return;
    for (const stream of [...member.streams]) stream.end(lost);
    member.rewind(entries, forMs);
  }

  /** All members stop within `forMs`: calls and streams in progress are lost, except for what is in the network already. */
  stop(forMs: number): void {
    const { random, time } = this.#options;
    this.isDown = true;
    for (const stream of this.streams) time.after(random.below(forMs), () => stream.end(lost));
    for (const call of this.#unaries.calls) {
      const loseIt = () => {
        if (!call.isOnTheWay) call.end(lost);
      };
      time.after(random.below(forMs), loseIt);
    }
  }

  /** The members start again with the state of the store. */
  start(): void {
    for (const member of this.members) member.restart();
    this.isDown = false;
  }

  /** Ends the streams that require a leader. */
  loseLeader(): void {
    for (const stream of this.streams) if (stream.requiresLeader) stream.end(noLeader);
  }

  /** Ends one of the open streams. */
  cut(which: number): void {
    const open = [...this.streams].filter((stream) => !stream.isOver);
    open[which % Math.max(1, open.length)]?.end(lost);
  }

  unary(call: Call, request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    this.#options.onUnary(call);
    return this.#unaries.start(call, request, responses);
  }

  stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    const { random, time, members } = this.#options;
    if (this.isDown || (random.chance(this.faults.refuse) && random.chance(0.5))) {
      responses.end(notSent);
      return endedCall as Requests<'tenant'>;
    }
    const isRefused = random.chance(this.faults.refuse);
    const requiresLeader = metadataValue(call.metadata, 'hasleader') === 'true';
    const { name } = tenantOf(call);
    const stream = new WatchServer(this, random.pick(members), name, requiresLeader, responses);
    this.streams.add(stream);
    if (isRefused) time.after(random.below(20), () => stream.end(notSent));
    return stream;
  }
}
