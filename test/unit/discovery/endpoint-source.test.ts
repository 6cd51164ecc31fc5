/** When endpoints are looked up, what happens if that fails, and when the configuration is reloaded. */
import { beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { EndpointSource } from '../../../src/discovery/endpoint-source.ts';
import { createLogger } from '../../../src/observe/logger.ts';
import { loaded } from '../../support/loaded-config.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const off = {
  'discovery-srv': '',
  'discovery-srv-name': '',
  'insecure-discovery': false,
  'discovery-interval': 30_000,
  'endpoints-auto-sync-interval': 0,
};
const bySrv = { ...off, 'discovery-srv': 'etcd.example' };
const synced = { ...off, 'endpoints-auto-sync-interval': 10_000 };

class World {
  readonly clock = new ManualClock();
  /** Hosts in DNS; null: it fails. */
  hosts: readonly string[] | null = ['a'];
  lookUps = 0;
  hasEndpoint = true;
  members: readonly string[] | null = null;
  reloads = 0;
  /** Look-ups of either kind resolve after this. */
  paused: Promise<void> = Promise.resolve();
  memberLists = 0;
  readonly source = new EndpointSource({
    clock: this.clock,
    random: { integer: (min, max) => Math.floor((min + max) / 2) },
    resolver: {
      resolveSrv: async (name) => {
        if (this.hosts === null || !name.includes('-ssl')) throw new Error('ESERVFAIL');
        const { hosts } = this;
        this.lookUps += 1;
        await this.paused;
        return hosts.map((host) => ({ name: host, port: 1 }));
      },
    },
  });

  start(settings: typeof off): void {
    this.source.start({
      logger: createLogger('silent'),
      user: {
        hasEndpoint: async () => this.hasEndpoint,
        memberEndpoints: async () => {
          const { members } = this;
          this.memberLists += 1;
          await this.paused;
          return members;
        },
      },
      onChange: async () => {
        this.reloads += 1;
        await this.source.endpoints(settings);
      },
    });
  }

  /** Returns a function that lets the look-ups continue. */
  pause(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.paused = promise;
    return () => {
      this.paused = Promise.resolve();
      resolve();
    };
  }

  /** In steps, because a timer is set only after the work of the one before. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(500);
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

test('without the settings nothing is asked, and no timer runs', async () => {
  expect(await world.source.endpoints(off)).toBeNull();
  world.start(off);
  await world.pass(100_000);
  expect([world.lookUps, world.reloads, world.clock.pendingTimers]).toEqual([0, 0, 0]);
});

describe('DNS', () => {
  test('is asked before the start, and again at each interval; a change reloads', async () => {
    expect(await world.source.endpoints(bySrv)).toEqual(['https://a:1']);
    world.start(bySrv);
    await world.pass(20_000);
    expect(world.lookUps).toBe(1);
    await world.pass(20_000);
    expect([world.lookUps, world.reloads]).toEqual([2, 0]);
    world.hosts = ['b', 'a'];
    await world.pass(40_000);
    expect(world.reloads).toBe(1);
    expect(await world.source.endpoints(bySrv)).toEqual(['https://a:1', 'https://b:1']);
    world.source.close();
    expect(world.clock.pendingTimers).toBe(0);
  });

  test('keeps what was found last while it fails', async () => {
    await world.source.endpoints(bySrv);
    world.start(bySrv);
    world.hosts = null;
    await world.pass(100_000);
    expect(world.reloads).toBe(0);
    expect(await world.source.endpoints(bySrv)).toEqual(['https://a:1']);
  });

  test('is asked more often while no endpoint serves calls', async () => {
    await world.source.endpoints(bySrv);
    world.start(bySrv);
    world.hasEndpoint = false;
    await world.pass(10_000);
    expect(world.lookUps).toBeGreaterThanOrEqual(4);
    world.hosts = ['moved'];
    await world.pass(3_000);
    expect(world.reloads).toBe(1);
  });

  test('that fails at the start is asked until it answers', async () => {
    world.hosts = null;
    expect(await world.source.endpoints(bySrv)).toBeNull();
    world.start(bySrv);
    world.hasEndpoint = false;
    await world.pass(10_000);
    world.hosts = ['late'];
    await world.pass(3_000);
    expect(world.reloads).toBe(1);
    expect(await world.source.endpoints(bySrv)).toEqual(['https://late:1']);
  });

  test('is asked for another domain after a reload, and the endpoints of the first one are dropped', async () => {
    await world.source.endpoints(bySrv);
    world.start(bySrv);
    world.hosts = null;
    expect(await world.source.endpoints({ ...bySrv, 'discovery-srv': 'other' })).toBeNull();
    expect(await world.source.endpoints(off)).toBeNull();
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe('the member list', () => {
  test('replaces the endpoints at each interval', async () => {
    expect(await world.source.endpoints(synced)).toBeNull();
    world.start(synced);
    world.members = ['http://m1:1', 'http://m2:1'];
    await world.pass(12_000);
    expect(world.reloads).toBe(1);
    expect(await world.source.endpoints(synced)).toEqual(world.members);
    await world.pass(30_000);
    expect(world.reloads).toBe(1);
    world.members = ['http://m2:1'];
    await world.pass(12_000);
    expect(await world.source.endpoints(synced)).toEqual(['http://m2:1']);
  });

  test('that is not answered changes nothing while an endpoint works; otherwise the configured ones are used', async () => {
    await world.source.endpoints(synced);
    world.start(synced);
    world.members = ['http://m1:1'];
    await world.pass(12_000);
    world.members = null;
    await world.pass(12_000);
    expect(await world.source.endpoints(synced)).toEqual(['http://m1:1']);
    world.hasEndpoint = false;
    await world.pass(12_000);
    expect(await world.source.endpoints(synced)).toBeNull();
  });
});

describe('a reload during a look-up', () => {
  test('that turns DNS off ends the queries, and their late response is not used', async () => {
    await world.source.endpoints(bySrv);
    world.start(bySrv);
    world.hosts = ['late'];
    const resume = world.pause();
    await world.pass(40_000);
    expect(world.lookUps).toBe(2);
    expect(await world.source.endpoints(off)).toBeNull();
    resume();
    await world.pass(100_000);
    expect([world.lookUps, world.reloads, world.clock.pendingTimers]).toEqual([2, 0, 0]);
    expect(await world.source.endpoints(off)).toBeNull();
  });

  test('that names another domain does not use the late response for the first one', async () => {
    await world.source.endpoints(bySrv);
    world.start(bySrv);
    world.hosts = ['late'];
    const resume = world.pause();
    await world.pass(40_000);
    world.hosts = ['b'];
    const other = { ...bySrv, 'discovery-srv': 'other' };
    const next = world.source.endpoints(other);
    resume();
    expect(await next).toEqual(['https://b:1']);
    await world.pass(2_000);
    expect(await world.source.endpoints(other)).toEqual(['https://b:1']);
    expect([world.reloads, world.clock.pendingTimers]).toEqual([0, 1]);
  });

  test('that turns the member list off ends the requests, and their late response is not used', async () => {
    await world.source.endpoints(synced);
    world.start(synced);
    world.members = ['http://m1:1'];
    const resume = world.pause();
    await world.pass(12_000);
    expect(world.memberLists).toBe(1);
    expect(await world.source.endpoints(off)).toBeNull();
    resume();
    await world.pass(100_000);
    expect([world.memberLists, world.reloads, world.clock.pendingTimers]).toEqual([1, 0, 0]);
    expect(await world.source.endpoints(off)).toBeNull();
  });

  test('that turns the member list off and on again leaves one timer', async () => {
    await world.source.endpoints(synced);
    world.start(synced);
    const resume = world.pause();
    await world.pass(12_000);
    await world.source.endpoints(off);
    await world.source.endpoints(synced);
    resume();
    await world.pass(1_000);
    expect(world.clock.pendingTimers).toBe(1);
  });
});

test('a check of the configuration asks nothing, and does not miss endpoints that DNS will name', async () => {
  const { problems, config } = await loaded('discovery-srv: etcd.example');
  expect([problems, config?.endpoints.map(({ name }) => name)]).toEqual([[], ['etcd:1']]);
  const alone = await loadConfig({
    flags: new Map(),
    environment: {},
    file: { name: 'c.yaml', text: 'discovery-srv: etcd.example' },
    checkTenants: () => [],
  });
  expect([alone.problems, alone.config?.endpoints]).toEqual([[], []]);
});
