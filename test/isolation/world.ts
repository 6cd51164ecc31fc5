/**
 * A cluster with a victim, an intruder and data without a tenant, and the check that nothing of others was changed or
 * shown. Random tokens are in every value, in every name that the intruder does not know, and in every name that it
 * only reads. Everything that it receives is searched for them. Of the stored data, every key, value, version and
 * lease is compared before and after, and so is every event in between.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { expect } from 'vitest';
import { keySpace } from '../../src/etcd/key-space.ts';
import { visibleId } from '../../src/etcd/lease-id.ts';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import type { KeyValue, LeaderKey, WatchResponse } from '../support/messages.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../support/proxy.ts';
import { slowFields, slowMessage, slowVarint } from '../support/slow-rewriter.ts';
import type { Stream } from '../support/stream.ts';
import { until } from '../support/until.ts';
import { grpcLink, Intruder, type Link } from './intruder.ts';

/** The visible number of a lease that both tenants have. */
export const sharedLease = 4711;

const everything = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };
const markerKey = '~marker';
const leaseSeconds = 3600;

export const latin1 = (text: string) => Buffer.from(text, 'latin1');
export const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

/** What the intruder must never receive. New for every world. */
const token = () => randomBytes(6).toString('hex');

export interface WorldOptions {
  readonly victim: string;
  readonly intruder: string;
  readonly access?: 'read-only';
  /** How the intruder calls methods. Default: gRPC. */
  readonly link?: (address: string) => Promise<Link>;
}

async function linkTo({ link }: WorldOptions, address: string): Promise<Link> {
  return link === undefined ? grpcLink(address) : link(address);
}

/** What the intruder has come to know: names and numbers, none of which must help it. */
export interface Known {
  /** Keys of the victim (visible names) that the intruder only reads: a response with one of them is a leak. */
  readonly readNames: readonly string[];
  /** Keys of the victim that it writes by, and so gets its own keys of that name. */
  readonly writeNames: readonly string[];
  /** Keys outside of both namespaces, that it writes by. */
  readonly rawNames: readonly string[];
  /** The same, that it only reads by. */
  readonly rawReadNames: readonly string[];
  /** Leases: visible and stored ones of the victim, and leases without a tenant. */
  readonly leases: readonly bigint[];
  /** The value that is stored under all read names. */
  readonly value: string;
  readonly lockKey: string;
  readonly leader: LeaderKey;
  readonly memberId: bigint;
  /** Before which nothing was stored, and at which all of it was. */
  readonly plantedAt: bigint;
}

interface Foreign {
  readonly state: unknown;
  /** Seconds that leases still run. */
  readonly remaining: ReadonlyMap<string, number>;
}

interface Parts {
  readonly options: WorldOptions;
  readonly etcd: Etcd;
  readonly proxy: TestProxy;
  readonly direct: GrpcClient;
  readonly victimClient: GrpcClient;
  readonly intruder: Intruder;
}

export class World implements AsyncDisposable {
  readonly victim: string;
  readonly prefix: string;
  readonly mayWrite: boolean;
  readonly direct: GrpcClient;
  readonly victimClient: GrpcClient;
  readonly intruder: Intruder;
  readonly known: Known;
  readonly #owned: AsyncDisposableStack;
  readonly #canaries: readonly Buffer[];
  readonly #events: Stream<object, WatchResponse>;
  #before: Foreign = { state: null, remaining: new Map() };
  #markers = 0;
  #scanned = 0;

  private constructor(parts: Parts, planted: Planted, owned: AsyncDisposableStack) {
    this.victim = parts.options.victim;
    this.prefix = parts.options.intruder;
    this.mayWrite = parts.options.access === undefined;
    this.direct = parts.direct;
    this.victimClient = parts.victimClient;
    this.intruder = parts.intruder;
    this.known = planted.known;
    this.#owned = owned;
    this.#canaries = planted.canaries;
    this.#events = parts.direct.stream('etcdserverpb.Watch/Watch');
  }

  static async start(options: WorldOptions): Promise<World> {
    await using owned = new AsyncDisposableStack();
    const etcd = owned.use(await startEtcd());
    const tenants: TestTenant[] = [
      { name: 'victim', namespace: options.victim },
      {
        name: 'intruder',
        namespace: options.intruder,
        ...(options.access === undefined ? {} : { access: options.access }),
      },
    ];
    const proxy = owned.use(
      await startTestProxy({
        endpoints: [etcd.address],
        tenants,
        settings: { transport: 'native', 'max-drain': '200ms' },
      }),
    );
    const direct = owned.use(grpcClient(etcd.address));
    const victimClient = owned.use(grpcClient(proxy.address('victim')));
    const intruder = owned.use(new Intruder(await linkTo(options, proxy.address('intruder'))));
    const parts = { options, etcd, proxy, direct, victimClient, intruder };
    const planted = await plant(parts);
    const world = new World(parts, planted, owned.move());
    await world.#follow();
    return world;
  }

  /** What the intruder may have: some keys at the edges of its namespace, one on a lease of a number that the victim has too. */
  async replant(): Promise<void> {
    const { leases } = keySpace(latin1(this.prefix));
    const lease = String(leases.stored(sharedLease));
    const granted = { TTL: leaseSeconds, ID: lease };
    await this.direct.call('etcdserverpb.Lease/LeaseGrant', granted).catch(() => {});
    for (const name of ['\0', 'own', 'own-leased', this.victim, '\xff']) {
      const put = { key: latin1(this.prefix + name), value: latin1('mine'), lease };
      await this.direct.call('etcdserverpb.KV/Put', put);
    }
  }

  /** Changes a key of the intruder's, and resolves with its new value, which is like no other. */
  async touchOwn(): Promise<string> {
    const value = `touched-${token()}`;
    const touched = { key: latin1(`${this.prefix}own`), value: latin1(value) };
    await this.direct.call('etcdserverpb.KV/Put', touched);
    return value;
  }

  /** The visible names of all keys that the intruder has. */
  async ownNames(): Promise<string[]> {
    const stored = await this.#stored();
    const own = stored.filter(({ key }) => this.#isOwn(key));
    return own.map(({ key }) => textOf(key).slice(this.prefix.length));
  }

  /** The visible numbers of all leases that the intruder has, in order. */
  async ownLeases(): Promise<bigint[]> {
    const { leases } = await this.direct.call('etcdserverpb.Lease/LeaseLeases', {});
    const seal = keySpace(latin1(this.prefix)).leases;
    const own = leases.flatMap(({ ID }) => visibleId(seal, BigInt(ID)) ?? []);
    return own.map(BigInt).sort((a, b) => Number(a - b));
  }

  /** Rejects when the attack touched or heard anything of others. */
  async unharmed(attack: () => Promise<void>): Promise<void> {
    await this.#remember();
    await attack();
    await this.#compare();
    this.expectNothingHeard();
  }

  /** Runs during an attack: others do their work, and only they may receive it. */
  async stir(): Promise<void> {
    await this.#compare();
    const value = latin1(this.known.value);
    for (const key of this.known.rawReadNames.map(latin1)) {
      await this.direct.call('etcdserverpb.KV/Put', { key, value });
    }
    for (const key of this.known.readNames.map(latin1)) {
      await this.victimClient.call('etcdserverpb.KV/DeleteRange', { key });
      await this.victimClient.call('etcdserverpb.KV/Put', { key, value });
    }
    const { leader } = this.known;
    await this.victimClient.call('v3electionpb.Election/Proclaim', { leader, value });
    await this.#remember();
  }

  async #remember(): Promise<void> {
    await this.#foreignEvents();
    this.#before = await this.#foreign();
  }

  async #compare(): Promise<void> {
    expect(await this.#foreignEvents(), 'nothing happened outside of the namespace').toEqual([]);
    const { state, remaining } = await this.#foreign();
    expect(state, 'what is stored of others').toEqual(this.#before.state);
    for (const [id, seconds] of remaining) {
      const before = this.#before.remaining.get(id) ?? 0;
      expect(seconds, `lease ${id} was not renewed`).toBeLessThanOrEqual(before);
    }
  }

  /** Nothing of others is in any byte that the intruder has heard so far. */
  expectNothingHeard(): void {
    const { heard } = this.intruder;
    for (; this.#scanned < heard.length; this.#scanned++) {
      const message = heard[this.#scanned] ?? Buffer.of();
      const leaked = this.#canaries.find((canary) => message.includes(canary));
      if (leaked !== undefined) {
        throw new Error(`heard ${JSON.stringify(textOf(leaked))} in ${message.toString('hex')}`);
      }
    }
  }

  /** Lets the leases of others run for two seconds, so that a renewal would show. */
  async agedLeases(): Promise<void> {
    await until('leases that have run for a while', async () => {
      const { remaining } = await this.#foreign();
      return [...remaining.values()].every((seconds) => seconds <= leaseSeconds - 2);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#events.cancel();
    await this.#owned.disposeAsync();
  }

  async #follow(): Promise<void> {
    this.#events.send({ create_request: { ...everything, prev_kv: true } });
    await this.#events.next();
  }

  /** The keys of all events since the last look that are not the intruder's. */
  async #foreignEvents(): Promise<string[]> {
    const value = latin1(`${++this.#markers}`);
    await this.direct.call('etcdserverpb.KV/Put', { key: latin1(markerKey), value });
    const seen: string[] = [];
    for (;;) {
      for (const { kv } of (await this.#events.next()).events) {
        if (textOf(kv.key) === markerKey) {
          if (kv.value.equals(value)) return seen;
        } else if (!this.#isOwn(kv.key)) seen.push(textOf(kv.key));
        else expect(this.#isOwnLease(kv.lease), 'an own key has an own lease').toBe(true);
      }
    }
  }

  #isOwn(key: Buffer): boolean {
    return textOf(key).startsWith(this.prefix);
  }

  #isOwnLease(id: string): boolean {
    return id === '0' || visibleId(keySpace(latin1(this.prefix)).leases, BigInt(id)) !== null;
  }

  async #stored(): Promise<readonly KeyValue[]> {
    return (await this.direct.call('etcdserverpb.KV/Range', everything)).kvs;
  }

  /** All that etcd holds and that is not the intruder's, to the last byte; and how long leases still run. */
  async #foreign(): Promise<Foreign> {
    const stored = await this.#stored();
    const keys = stored.filter(({ key }) => !this.#isOwn(key) && textOf(key) !== markerKey);
    const { leases } = await this.direct.call('etcdserverpb.Lease/LeaseLeases', {});
    const remaining = new Map<string, number>();
    const granted: unknown[] = [];
    for (const { ID } of leases.filter((lease) => !this.#isOwnLease(lease.ID))) {
      const asked = { ID, keys: true };
      const lease = await this.direct.call('etcdserverpb.Lease/LeaseTimeToLive', asked);
      remaining.set(ID, Number(lease.TTL));
      granted.push([ID, lease.grantedTTL, lease.keys.map(textOf).sort()]);
    }
    const past = { ...everything, revision: String(this.known.plantedAt), count_only: true };
    const named = async (path: string) => {
      const answer = slowFields(await this.direct.bytes(path, Buffer.of()));
      return answer.flatMap(({ number, value }) => (number === 2 ? [textOf(value as Buffer)] : []));
    };
    return {
      remaining,
      state: {
        keys,
        leases: granted.sort(),
        history: (await this.direct.call('etcdserverpb.KV/Range', past)).count,
        victimsHistory: (await this.victimClient.call('etcdserverpb.KV/Range', past)).count,
        members: (await this.direct.call('etcdserverpb.Cluster/MemberList', {})).members,
        alarms: (await this.direct.call('etcdserverpb.Maintenance/Alarm', {})).alarms,
        users: await named('/etcdserverpb.Auth/UserList'),
        roles: await named('/etcdserverpb.Auth/RoleList'),
      },
    };
  }
}

interface Planted {
  readonly known: Known;
  readonly canaries: readonly Buffer[];
}

/** Everything that is not the intruder's, and what the intruder knows of it. */
async function plant({ options, etcd, direct, victimClient }: Parts): Promise<Planted> {
  const secrets: string[] = [];
  const secret = (name: string) => {
    secrets.push(token());
    return `${name}${secrets.at(-1)}`;
  };
  const value = secret('value-');
  const put = (client: GrpcClient, key: string, lease: string | number = 0) =>
    client.call('etcdserverpb.KV/Put', { key: latin1(key), value: latin1(value), lease });
  const grant = async (client: GrpcClient, ID: number | string) =>
    (await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: leaseSeconds, ID })).ID;

  const readNames = [secret('read-'), `\0${secret('')}`, `\xff${secret('')}`];
  const writeNames = [`write-${token()}`, 'own', '\0', '\xff'];
  const rawNames = rawAround(options);
  const rawReadNames = [secret('raw-')];
  for (const name of [...rawNames, ...rawReadNames]) await put(direct, name);

  const shared = await grant(victimClient, sharedLease);
  const drawn = await grant(victimClient, 0);
  const raw = await grant(direct, 7);
  const rawDrawn = await grant(direct, 0);
  // The intruder does not know these.
  const hidden = [
    await grant(victimClient, 1 + randomInt(2 ** 30, 2 ** 31 - 2)),
    await grant(direct, 0),
  ];
  for (const name of [...readNames, ...writeNames]) await put(victimClient, name, shared);
  await put(victimClient, secret('hidden-'), drawn);
  await put(victimClient, secret('hidden-'), hidden[0]);
  await put(direct, secret('raw-hidden-'), hidden[1]);
  await put(direct, secret('raw-hidden-'), rawDrawn);
  await put(direct, 'raw-leased', raw);

  const locked = await victimClient.call('v3lockpb.Lock/Lock', {
    name: latin1('lock'),
    lease: drawn,
  });
  const { leader } = await victimClient.call('v3electionpb.Election/Campaign', {
    name: latin1('boss'),
    lease: drawn,
    value: latin1(value),
  });
  if (leader === null) throw new Error('no leader');
  await direct.bytes(
    '/etcdserverpb.Auth/UserAdd',
    Buffer.from(slowMessage([1, secret('user-')], [2, 'x'])),
  );
  await direct.bytes('/etcdserverpb.Auth/RoleAdd', Buffer.from(slowMessage([1, secret('role-')])));

  const seal = keySpace(latin1(options.victim)).leases;
  const { members } = await direct.call('etcdserverpb.Cluster/MemberList', {});
  const { header } = await direct.call('etcdserverpb.KV/Range', { key: latin1('x') });
  const visible = [shared, drawn].map(Number);
  return {
    known: {
      readNames,
      writeNames,
      rawNames,
      rawReadNames,
      value,
      leases: [
        ...visible.flatMap((id) => [BigInt(id), seal.stored(id)]),
        ...[raw, rawDrawn].map(BigInt),
      ],
      lockKey: textOf(locked.key),
      leader,
      memberId: BigInt(members[0]?.ID ?? 0),
      plantedAt: BigInt(header?.revision ?? 0),
    },
    canaries: [
      ...secrets.map(latin1),
      ...[etcd.address, etcd.peerUrl].map(latin1),
      ...hidden.flatMap((id) => [latin1(id), slowVarint(BigInt(id)) as Buffer]),
      Buffer.from(slowVarint(seal.stored(Number(hidden[0])))),
    ].map((bytes) => Buffer.from(bytes)),
  };
}

/** Keys without a tenant, as close to both namespaces as keys can be. */
function rawAround({ victim, intruder }: WorldOptions): string[] {
  const taken = [victim, intruder];
  const around = taken.flatMap((prefix) => {
    const bare = prefix.slice(0, -1);
    return [bare, `${bare}.`, `${bare}0`, `${bare}\xff`, `${bare}\xff/a`, `${bare}/`];
  });
  const names = new Set([...around, '\0', '\xff', '\xff\xff', 't', 't2', 't2/a', '/', '0']);
  // What begins with a namespace is in it; only the bare prefix itself is not anybody's visible key.
  return [...names].filter((name) =>
    taken.every((prefix) => name !== prefix && !name.startsWith(prefix)),
  );
}
