/**
 * What happens to a cluster and its connections: members that crash or hang, one at a time, never the one that the history is
 * read from; leaders that resign; and connections of the proxy that break, to any member or to all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcClient, Refused } from '../support/client.ts';
import type { Cluster } from '../support/cluster.ts';
import type { Etcd } from '../support/etcd.ts';
import type { Relay } from '../support/relay.ts';
import type { Seeded } from '../support/seeded.ts';

/** `move`: another member becomes the leader. */
export type Disturbance = 'kill' | 'pause' | 'move';

/** A watch may lose its place this long after the end of a disturbance. */
const aftermathMs = 5_000;

function ifRefused(error: unknown): void {
  if (!(error instanceof Refused)) throw error;
}

interface Period {
  readonly fromMs: number;
  toMs: number;
}

export interface DisturbancesOptions {
  readonly cluster: Cluster;
  readonly steady: Etcd;
  readonly relays: readonly Relay[];
  readonly chance: Seeded;
}

export class Disturbances {
  /** In one line each. */
  readonly log: string[] = [];
  cuts = 0;
  readonly #victims: readonly Etcd[];
  readonly #cluster: Cluster;
  readonly #relays: readonly Relay[];
  readonly #chance: Seeded;
  readonly #periods: Period[] = [];

  /** `relays` carry the proxy's connections, one for each member. */
  constructor({ cluster, steady, relays, chance }: DisturbancesOptions) {
    this.#cluster = cluster;
    this.#relays = relays;
    this.#victims = cluster.members.filter((member) => member !== steady);
    this.#chance = chance;
  }

  /** Disturbs a random member for about `forMs`. Resolves when it serves again. */
  async disturb(kind: Disturbance, forMs: number): Promise<void> {
    const member = this.#chance.pick(this.#victims);
    const isLeader = (await this.#cluster.leader()) === member;
    const period = { fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY };
    this.#periods.push(period);
    this.log.push(`${kind} ${isLeader ? 'leader' : 'follower'} ${Math.round(forMs)} ms`);
    switch (kind) {
      case 'kill':
        await member.kill();
        await sleep(forMs);
        await member.restart();
        break;
      case 'pause':
        member.pause();
        try {
          await sleep(forMs);
        } finally {
          member.resume();
        }
        break;
      case 'move':
        await this.#moveLeader();
        await sleep(forMs);
        break;
      default:
        kind satisfies never;
    }
    period.toMs = performance.now() + aftermathMs;
  }

  /** Does nothing if the leader changes by itself meanwhile. */
  async #moveLeader(): Promise<void> {
    const leader = await this.#cluster.leader();
    const target = this.#chance.pick(this.#cluster.members.filter((member) => member !== leader));
    using targetClient = grpcClient(target.address);
    using client = grpcClient(leader.address);
    const { header } = await targetClient.call('etcdserverpb.Maintenance/Status', {});
    const targetID = header?.member_id ?? '0';
    await client.call('etcdserverpb.Maintenance/MoveLeader', { targetID }).catch(ifRefused);
  }

  /** Resets the connections of the proxy to a random member, sometimes to all. */
  cut(): void {
    const cut = this.#chance.chance(0.3) ? this.#relays : [this.#chance.pick(this.#relays)];
    for (const relay of cut) relay.cut();
    this.cuts += 1;
    const fromMs = performance.now();
    this.#periods.push({ fromMs, toMs: fromMs + aftermathMs });
  }

  overlaps(fromMs: number, toMs: number): boolean {
    return this.#periods.some((period) => period.fromMs <= toMs && period.toMs >= fromMs);
  }
}
