/**
 * An intruder tries every method of the API on a tenant beside it and on data without a tenant, from either side of
 * the tenant's namespace, and as a read-only tenant. Nothing of others may be changed by a byte, or be received.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MethodName, methods } from '../../src/etcd/methods.ts';
import { attacks } from './attacks.ts';
import { jsonLink, jsonMethods } from './json-link.ts';
import { World, type WorldOptions } from './world.ts';

/** Last what takes the intruder's own past away, by which others are tried. */
const compact: MethodName = 'etcdserverpb.KV/Compact';
const names = methods.map(({ name }) => name);
const inOrder = [...names.filter((name) => name !== compact), compact];

test('there is an attack for every method', () => {
  expect(Object.keys(attacks).sort()).toEqual([...names].sort());
});

describe.each<[string, WorldOptions]>([
  ['right behind the victim', { victim: 't1/', intruder: 't10/' }],
  ['right before the victim', { victim: 't10/', intruder: 't1/' }],
  ['that may only read', { victim: 't1/', intruder: 't10/', access: 'read-only' }],
  ['with JSON', { victim: 't1/', intruder: 't10/', link: jsonLink }],
])('an intruder %s', (_where, options) => {
  const reachable = inOrder.filter(
    (name) => options.link === undefined || jsonMethods.includes(name),
  );
  let world: World;

  beforeAll(async () => {
    world = await World.start(options);
  });

  afterAll(async () => {
    // Also what came late was not for it.
    world?.expectNothingHeard();
    await world?.[Symbol.asyncDispose]();
  });

  test.each(reachable)('gets nowhere by %s', async (name) => {
    await world.replant();
    await world.unharmed(() => attacks[name](world));
  });
});
