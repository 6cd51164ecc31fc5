/** When endpoints are looked up, what happens if that fails, and what a reload changes. */
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
  changes = 0;
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

  /** Loads a configuration with these settings, and starts with it. */
  async start(settings: typeof off): Promise<readonly string[] | null> {
    const found = await this.source.endpoints(settings);
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
        this.changes += 1;
      },
    });
    return found;
  }

  /** Loads a configuration with these settings, and applies it. */
  async reload(settings: typeof off): Promise<readonly string[] | null> {
    const found = await this.source.endpoints(settings);
    this.source.adopt();
    expect(this.source.found).toEqual(found);
    return found;
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
  expect(await world.start(off)).toBeNull();
  await world.pass(100_000);
  expect([world.lookUps, world.changes, world.clock.pendingTimers]).toEqual([0, 0, 0]);
});

describe('DNS', () => {
  test('is asked before the start, and again at each interval; a change is reported', async () => {
    expect(await world.start(bySrv)).toEqual(['https://a:1']);
    await world.pass(20_000);
    expect(world.lookUps).toBe(1);
    await world.pass(20_000);
    expect([world.lookUps, world.changes]).toEqual([2, 0]);
    world.hosts = ['b', 'a'];
    await world.pass(40_000);
    expect(world.changes).toBe(1);
    expect(await world.reload(bySrv)).toEqual(['https://a:1', 'https://b:1']);
    world.source.close();
    expect(world.clock.pendingTimers).toBe(0);
  });

  test('keeps what was found last while it fails', async () => {
    await world.start(bySrv);
    world.hosts = null;
    await world.pass(100_000);
    expect(world.changes).toBe(0);
    expect(await world.reload(bySrv)).toEqual(['https://a:1']);
  });

  test('is asked more often while no endpoint serves calls', async () => {
    await world.start(bySrv);
    world.hasEndpoint = false;
    await world.pass(10_000);
    expect(world.lookUps).toBeGreaterThanOrEqual(4);
    world.hosts = ['moved'];
    await world.pass(3_000);
    expect(world.changes).toBe(1);
  });

  test('that fails at the start is asked until it answers', async () => {
    world.hosts = null;
    expect(await world.start(bySrv)).toBeNull();
    world.hasEndpoint = false;
    await world.pass(10_000);
    world.hosts = ['late'];
    await world.pass(3_000);
    expect(world.changes).toBe(1);
    expect(await world.reload(bySrv)).toEqual(['https://late:1']);
  });

  test('is asked for another domain after a reload, and the endpoints of the first one are dropped', async () => {
    await world.start(bySrv);
    world.hosts = null;
    expect(await world.reload({ ...bySrv, 'discovery-srv': 'other' })).toBeNull();
    expect(await world.reload(off)).toBeNull();
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe('the member list', () => {
  test('replaces the endpoints at each interval', async () => {
    expect(await world.start(synced)).toBeNull();
    world.members = ['http://m1:1', 'http://m2:1'];
    await world.pass(12_000);
    expect(world.changes).toBe(1);
    expect(await world.reload(synced)).toEqual(world.members);
    await world.pass(30_000);
    expect(world.changes).toBe(1);
    world.members = ['http://m2:1'];
    await world.pass(12_000);
    expect(await world.reload(synced)).toEqual(['http://m2:1']);
  });

  test('that is not answered changes nothing while an endpoint works; otherwise the configured ones are used', async () => {
    await world.start(synced);
    world.members = ['http://m1:1'];
    await world.pass(12_000);
    world.members = null;
    await world.pass(12_000);
    expect(await world.reload(synced)).toEqual(['http://m1:1']);
    world.hasEndpoint = false;
    await world.pass(12_000);
    expect(await world.reload(synced)).toBeNull();
  });
});

describe('a reload during a look-up', () => {
  test('that turns DNS off ends the queries, and their late response is not used', async () => {
    await world.start(bySrv);
    world.hosts = ['late'];
    const resume = world.pause();
    await world.pass(40_000);
    expect(world.lookUps).toBe(2);
    expect(await world.reload(off)).toBeNull();
    resume();
    await world.pass(100_000);
    expect([world.lookUps, world.changes, world.clock.pendingTimers]).toEqual([2, 0, 0]);
    expect(await world.reload(off)).toBeNull();
  });

  test('that names another domain does not use the late response for the first one', async () => {
    await world.start(bySrv);
    world.hosts = ['late'];
    const resume = world.pause();
    await world.pass(40_000);
    world.hosts = ['b'];
    const other = { ...bySrv, 'discovery-srv': 'other' };
    world.paused = Promise.resolve();
    expect(await world.reload(other)).toEqual(['https://b:1']);
    resume();
    await world.pass(2_000);
    expect(await world.reload(other)).toEqual(['https://b:1']);
    expect([world.changes, world.clock.pendingTimers]).toEqual([0, 1]);
  });

  test('that turns the member list off ends the requests, and their late response is not used', async () => {
    await world.start(synced);
    world.members = ['http://m1:1'];
    const resume = world.pause();
    await world.pass(12_000);
    expect(world.memberLists).toBe(1);
    expect(await world.reload(off)).toBeNull();
    resume();
    await world.pass(100_000);
    expect([world.memberLists, world.changes, world.clock.pendingTimers]).toEqual([1, 0, 0]);
    expect(await world.reload(off)).toBeNull();
  });

  test('that turns the member list off and on again leaves one timer', async () => {
    await world.start(synced);
    const resume = world.pause();
    await world.pass(12_000);
    await world.reload(off);
    await world.reload(synced);
    resume();
    await world.pass(1_000);
    expect(world.clock.pendingTimers).toBe(1);
  });
});

test('a configuration that is rejected changes neither the endpoints nor what is asked', async () => {
  await world.start(bySrv);
  world.hosts = ['rejected'];
  const other = { ...bySrv, 'discovery-srv': 'other' };
  expect(await world.source.endpoints(other)).toEqual(['https://rejected:1']);
  expect(await world.source.endpoints(off)).toBeNull();
  expect(world.source.found).toEqual(['https://a:1']);
  world.lookUps = 0;
  world.hosts = ['moved'];
  await world.pass(40_000);
  expect([world.lookUps, world.changes]).toEqual([1, 1]);
  expect(world.source.found).toEqual(['https://moved:1']);
});

test('a reload of the same source keeps what a look-up has found meanwhile', async () => {
  await world.start(bySrv);
  world.hosts = ['moved'];
  const hourly = { ...bySrv, 'discovery-interval': 3_600_000 };
  expect(await world.source.endpoints(hourly)).toEqual(['https://a:1']);
  await world.pass(40_000);
  world.source.adopt();
  expect(world.source.found).toEqual(['https://moved:1']);
});

test('a configuration with a problem does not ask', async () => {
  let asked = 0;
  const load = (text: string) =>
    loadConfig({
      flags: new Map(),
      environment: {},
      file: { name: 'c.yaml', text: `endpoints: etcd:1\n${text}` },
      checkTenants: () => [],
      endpoints: async () => {
        asked += 1;
        return null;
      },
    });
  // Found by the checks of single settings, and by those between settings.
  for (const text of ['hold: x', 'resolver-ttl: 5']) {
    expect([(await load(text)).config, asked]).toEqual([null, 0]);
  }
  await load('hold: 1s');
  expect(asked).toBe(1);
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
