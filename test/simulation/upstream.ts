/**
 * What is below the hub: a faulty way to the members of a cluster. It serves the two calls that the hub makes, linearizable
 * Range and Watch, and checks that the hub keeps the contract of src/call/call.ts.
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
import { Code, ok, type Status, status } from '../../src/grpc/status.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import type { Seeded } from '../support/seeded.ts';
import { type Faults, noFaults } from './faults.ts';
import type { Member } from './member.ts';
import { lost } from './send-loop.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Store } from './store.ts';
import { WatchServer, type WatchServerHost } from './watch-server.ts';
import { headerField } from './wire.ts';

const notSent = status(Code.UNAVAILABLE, 'no endpoint is available', 'unsent');
const timedOut = status(Code.UNAVAILABLE, 'etcdserver: request timed out', 'peer');
const noLeader = status(Code.UNAVAILABLE, 'etcdserver: no leader', 'peer');

export interface UpstreamOptions {
  readonly store: Store;
  readonly members: readonly Member[];
  readonly time: SimulatedTime;
  readonly random: Seeded;
  readonly faults: Faults;
  readonly onViolation: (what: string) => void;
}

export class Upstream implements Etcd<'tenant'>, WatchServerHost {
  faults: Faults;
  /** Turns in which a fence failed. */
  readonly failedFences: number[] = [];
  readonly streams = new Set<WatchServer>();
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.faults = options.faults;
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

  /** Ends the streams that require a leader. */
  loseLeader(): void {
    for (const stream of this.streams) if (stream.requiresLeader) stream.end(noLeader);
  }

  /** Ends one of the open streams. */
  cut(which: number): void {
    const open = [...this.streams].filter((stream) => !stream.isOver);
    open[which % Math.max(1, open.length)]?.end(lost);
  }

  /** A linearizable read: the header has at least the revision that was committed when the request arrived. */
  unary(_call: Call, _request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    const { random, time, store, members } = this.#options;
    let isOver = false;
    const end = (ended: Status) => {
      if (isOver) return;
      isOver = true;
      if (ended.code !== Code.OK) this.failedFences.push(time.turn);
      responses.end(ended);
    };
    if (random.chance(this.faults.failFence)) {
      const delayMs = random.pick([-1, 1, 700]);
      if (delayMs < 0) end(notSent);
      else time.after(delayMs, () => end(delayMs === 1 ? notSent : timedOut));
      return handleOf(() => {
        isOver = true;
      });
    }
    const isSlow = random.chance(this.faults.delayFence);
    const delay = () => random.below((isSlow ? 300 : this.faults.networkMsMax) + 1);
    const member = random.pick(members);
    time.after(delay(), () => {
      member.whenApplied(store.revision, () => {
        const content = headerField(member.id, member.revision).subarray(2);
        time.after(delay(), () => {
          if (isOver) return;
          responses.deliver(new Writer().message(1, content).finish() as never);
          end(ok);
        });
      });
    });
    return handleOf(() => {
      isOver = true;
    });
  }

  stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    const { random, time, members } = this.#options;
    if (random.chance(this.faults.refuse) && random.chance(0.5)) {
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

function handleOf(cancel: () => void): CallHandle {
  return { cancel, pauseResponses() {}, resumeResponses() {} };
}
