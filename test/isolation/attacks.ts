/**
 * For every method of the API, what an intruder can try with it: the visible names of others, stored names, absolute
 * and misleading ranges, visible and stored leases. Each attack checks what the intruder receives. The world checks
 * that nothing else was changed or shown. A method without an attack does not compile.
 */
import { expect } from 'vitest';
import type { MethodName } from '../../src/etcd/methods.ts';
import { Code } from '../../src/grpc/status.ts';
import { slowMessage as message } from '../support/slow-rewriter.ts';
import { until } from '../support/until.ts';
import { compareOf, covered, type Form, formsOf, rangeOf } from './forms.ts';
import type { Attempt } from './intruder.ts';
import { sharedLease, type World } from './world.ts';

export type Attack = (world: World) => Promise<void>;

type Pair = readonly [number, bigint | Uint8Array | string];

const denied = { code: Code.PERMISSION_DENIED, details: 'etcdserver: permission denied' };
const emptyKey = { code: Code.INVALID_ARGUMENT, details: 'etcdserver: key is not provided' };
const noLease = 'etcdserver: requested lease not found';
const oddLeases = [-1n, 2n ** 31n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n)];
const togetherMax = 32;

const outcomeOf = ({ code, details }: Attempt) => ({ code, details });

/** A name as it is visible to others, as it is stored, and as a path that might be resolved. */
const spellings = ({ victim }: World, names: readonly string[]): string[] =>
  names.flatMap((name) => [name, victim + name, `../${victim}${name}`]);

/** The intruder never writes these names, so a response with one of them is a leak. */
const readNames = (world: World) => [
  ...spellings(world, world.known.readNames),
  ...world.known.rawReadNames,
];

const writeNames = (world: World) => [
  ...spellings(world, world.known.writeNames),
  ...world.known.rawNames,
  world.victim,
  world.known.lockKey,
];

/** Bounds that lie at the edges of something. */
function bounds({ victim, prefix }: World): string[] {
  const bare = victim.slice(0, -1);
  const around = [bare, victim, `${bare}0`, `${bare}0\0`, prefix];
  return ['', '\0', '\0\0', ...around, 'own', '\xff', '\xff\xff'];
}

const formsFor = (world: World): Form[] => [
  ...formsOf(bounds(world), bounds(world)),
  ...formsOf(readNames(world), ['', '\0', '\xff']),
];

const foreignLeases = ({ known }: World) => known.leases.filter((id) => id !== BigInt(sharedLease));

/** Sends everything, some at a time, and passes each response on. */
async function each<T>(
  world: World,
  method: MethodName,
  requests: readonly (readonly [T, Uint8Array])[],
  check: (heard: Attempt, about: T) => void,
): Promise<void> {
  for (let at = 0; at < requests.length; at += togetherMax) {
    const together = requests.slice(at, at + togetherMax);
    await Promise.all(
      together.map(async ([about, request]) =>
        check(await world.intruder.ask(method, request), about),
      ),
    );
  }
}

/** A writer's write is answered as `wanted` if anything is; a reader's is refused. */
const written =
  ({ mayWrite }: World, wanted: { code?: number; details?: string } = {}) =>
  (heard: Attempt, about: unknown) =>
    expect(outcomeOf(heard), JSON.stringify(about)).toMatchObject(mayWrite ? wanted : denied);

const ok = { code: Code.OK };

/** `path` leads to the RangeResponse in a response. */
const reads =
  (method: MethodName, ...path: readonly number[]): Attack =>
  async (world) => {
    const own = await world.ownNames();
    const variants: [number, bigint][][] = [[], [[8, 1n]], [[4, world.known.plantedAt], [9, 1n]]]; // biome-ignore format: one per line would hide them
    const asked = formsFor(world).flatMap((form) =>
      variants.map((more) => [{ form, more }, rangeOf(form, ...more)] as const),
    );
    await each(world, method, asked, (heard, { form, more }) => {
      if (form.key === '') expect(outcomeOf(heard)).toEqual(emptyKey);
      // A server that has no such method yet.
      if (heard.code !== Code.OK) return;
      const found = covered(form, own);
      const counted = heard.at(...path, 4).at(-1) ?? 0n;
      if (more.length < 2) expect(counted, JSON.stringify(form)).toBe(BigInt(found.length));
      else expect(counted).toBe(0n);
      if (more.length < 2) expect(heard.textAt(...path, 2, 1)).toEqual(found);
    });
  };

const put: Attack = async (world) => {
  const method = 'etcdserverpb.KV/Put';
  const names = writeNames(world);
  const over = names.map((name) => [name, message([1, name], [2, 'taken'], [4, 1n])] as const);
  await each(world, method, over, written(world, ok));
  const kept = names.map((name) => [name, message([1, name], [4, 1n], [5, 1n], [6, 1n])] as const);
  await each(world, method, kept, written(world, ok));
  const leased = [...foreignLeases(world), ...oddLeases].map(
    (id) => [`${id}`, message([1, 'own'], [3, id], [4, 1n])] as const,
  );
  await each(world, method, leased, written(world, { details: noLease }));
  const empty = [['', message([1, ''], [2, 'taken'])]] as const;
  await each(world, method, empty, written(world, emptyKey));
};

const remove: Attack = async (world) => {
  const { intruder } = world;
  for (const form of formsOf([...bounds(world), ...writeNames(world)], ['', '\0', '\xff', 't2'])) {
    const own = await world.ownNames();
    const heard = await intruder.ask('etcdserverpb.KV/DeleteRange', rangeOf(form, [3, 1n]));
    written(world)(heard, form);
    if (heard.code !== Code.OK) continue;
    const gone = heard.textAt(3, 1);
    expect(gone, JSON.stringify(form)).toEqual(covered(form, own));
    if (gone.length > 0) await world.replant();
  }
};

/** Every way to ask whether something is there, with what is there in mind: each must fail as for a key that is not. */
function oracles(world: World): Uint8Array[] {
  const { known } = world;
  const created = BigInt(known.leader.rev ?? 0);
  return readNames(world).flatMap((name) => [
    message([1, 1n], [2, 0n], [3, name], [4, 0n]),
    message([1, 1n], [2, 1n], [3, name], [5, 0n]),
    message([1, 0n], [2, 1n], [3, name], [5, created]),
    message([1, 1n], [2, 2n], [3, name], [6, 0n]),
    message([1, 0n], [2, 3n], [3, name], [7, known.value]),
    message([1, 3n], [2, 3n], [3, name], [7, 'x']),
    ...known.leases.map((id) => message([1, 0n], [2, 4n], [3, name], [8, id])),
    message([1, 1n], [2, 4n], [3, name], [8, 0n]),
  ]);
}

const nested = (operation: Uint8Array) => message([4, message([2, operation], [3, operation])]);

const txn: Attack = async (world) => {
  const method = 'etcdserverpb.KV/Txn';
  const own = await world.ownNames();
  const compares = oracles(world).map((compare, i) => [i, message([1, compare])] as const);
  await each(world, method, compares, (heard) => {
    expect(outcomeOf(heard)).toEqual({ code: Code.OK, details: '' });
    expect(heard.at(2), 'succeeded').toEqual([]);
  });
  const asked = formsFor(world)
    .filter(({ key }) => key !== '')
    .map((form) => {
      const read = message([1, rangeOf(form)]);
      const branches = [[2, read], [3, nested(nested(read))]] as const; // biome-ignore format: two branches
      return [form, message([1, compareOf(form)], ...branches)] as const;
    });
  await each(world, method, asked, (heard, form) => {
    const found = covered(form, own);
    expect(heard.at(2), JSON.stringify(form)).toEqual(found.length > 0 ? [1n] : []);
    const path = found.length > 0 ? [3, 1] : [3, 4, 3, 4, 3, 1];
    expect(heard.textAt(...path, 2, 1), JSON.stringify(form)).toEqual(found);
  });
  const changes = writeNames(world).flatMap((name) => [
    message([2, message([1, name], [2, 'taken'], [4, 1n])]),
    message([3, message([1, name], [3, 1n])]),
    message([3, message([1, name], [2, '\0'], [3, 1n])]),
    ...foreignLeases(world).map((id) => message([2, message([1, name], [3, id], [4, 1n])])),
  ]);
  const wrapped = changes.flatMap((op, i) => [
    [i, message([2, op])] as const,
    [i, message([2, nested(nested(op))])] as const,
  ]);
  await each(world, method, wrapped, written(world));
};

const compact: Attack = async (world) => {
  const { plantedAt } = world.known;
  const revisions = [0n, 1n, -1n, 2n ** 62n, plantedAt, plantedAt + 1n];
  const asked = revisions.map((r) => [`${r}`, message([1, r], [2, 1n])] as const);
  await each(world, 'etcdserverpb.KV/Compact', asked, written(world));
};

const watch: Attack = async (world) => {
  const { intruder } = world;
  const forms = formsFor(world);
  for (const start of [0n, 1n]) {
    const own = new Set([...(await world.ownNames()), ...writeNames(world)]);
    const stream = intruder.open('etcdserverpb.Watch/Watch');
    for (const [i, form] of forms.entries()) {
      const more: [number, bigint][] = [[3, start], [4, 1n], [6, 1n], [7, BigInt(i + 1)], [8, 1n]]; // biome-ignore format: flags
      stream.send(message([1, rangeOf(form, ...more)]));
    }
    for (const id of [-1n, 0n, 2n ** 40n]) stream.send(message([2, message([1, id])]));
    stream.send(message([3, message()]));
    // The last watch, so its events follow those of the others.
    stream.send(message([1, rangeOf({ key: '\0', end: '\0' }, [3, start])]));
    await until('all watches', () => stream.at(3).length === forms.length + 1);
    await world.stir();
    const value = await world.touchOwn();
    const told = forms.filter((form) => covered(form, ['own']).length > 0).length + 1;
    await until('all events of an own key', () => {
      return stream.messages.filter((m) => m.includes(value)).length >= told;
    });
    for (const name of stream.textAt(11, 2, 1)) expect(own).toContain(name);
    stream.cancel();
    await stream.ended;
  }
};

const grant: Attack = async (world) => {
  const ids = [...world.known.leases, ...oddLeases];
  const asked = ids.map((id) => [`${id}`, message([1, 5n], [2, id])] as const);
  await each(world, 'etcdserverpb.Lease/LeaseGrant', asked, (heard, id) => {
    written(world)(heard, id);
    const [granted = 0n] = heard.at(2);
    expect([0n, BigInt(id)], 'only what it asked for, in its own terms').toContain(granted);
  });
};

const revoke: Attack = async (world) => {
  const method = 'etcdserverpb.Lease/LeaseRevoke';
  const ids = [0n, ...foreignLeases(world), ...oddLeases];
  const asked = ids.map((id) => [`${id}`, message([1, id])] as const);
  // What it has granted itself under these numbers goes, so each is asked for twice.
  await each(world, method, asked, written(world));
  await each(world, method, asked, written(world, { code: Code.NOT_FOUND, details: noLease }));
  const own = [[sharedLease, message([1, BigInt(sharedLease)])]] as const;
  await each(world, method, own, written(world, ok));
  await world.replant();
};

const keepAlive: Attack = async (world) => {
  await world.agedLeases();
  const ids = [0n, ...foreignLeases(world), ...oddLeases];
  const requests = ids.map((id) => message([1, id]));
  const heard = await world.intruder.ask('etcdserverpb.Lease/LeaseKeepAlive', ...requests);
  written(world, ok)(heard, 'keepalive');
  // A time to live of 0 is not on the wire.
  expect(heard.at(3)).toEqual([]);
  expect(heard.messages).toHaveLength(world.mayWrite ? ids.length : 0);
};

const timeToLive: Attack = async (world) => {
  const method = 'etcdserverpb.Lease/LeaseTimeToLive';
  const ids = [0n, ...foreignLeases(world), ...oddLeases];
  const asked = ids.map((id) => [id, message([1, id], [2, 1n])] as const);
  await each(world, method, asked, (heard, id) => {
    expect(heard.at(3).map((ttl) => BigInt.asIntN(64, ttl as bigint))).toEqual([-1n]);
    expect([heard.at(4), heard.at(5)]).toEqual([[], []]);
    const [echoed = 0n] = heard.at(2) as bigint[];
    expect(BigInt.asIntN(64, echoed)).toBe(id);
  });
  const own = await world.ownNames();
  const mine = await world.intruder.ask(method, message([1, BigInt(sharedLease)], [2, 1n]));
  for (const name of mine.textAt(5)) expect(own).toContain(name);
};

const leases: Attack = async (world) => {
  const heard = await world.intruder.ask('etcdserverpb.Lease/LeaseLeases', message());
  const listed = (heard.at(2, 1) as bigint[]).sort((a, b) => Number(a - b));
  expect(listed).toEqual(await world.ownLeases());
};

const lock: Attack = async (world) => {
  const method = 'v3lockpb.Lock/Lock';
  // Keys of its own under the same names would be locks that it waits for.
  await world.intruder.ask('etcdserverpb.KV/DeleteRange', rangeOf({ key: '\0', end: '\0' }));
  for (const name of ['lock', 'boss', ...writeNames(world)]) {
    const heard = await world.intruder.ask(method, message([1, name]));
    written(world, ok)(heard, name);
    for (const key of heard.textAt(2)) {
      expect(key.startsWith(`${name}/`)).toBe(true);
      await world.intruder.ask('v3lockpb.Lock/Unlock', message([1, key]));
    }
  }
  const leased = [...foreignLeases(world), ...oddLeases].map(
    (id) => [`${id}`, message([1, 'lock'], [2, id])] as const,
  );
  await each(world, method, leased, written(world, { code: Code.UNKNOWN, details: noLease }));
};

const unlock: Attack = async (world) => {
  const names = [...writeNames(world), ...spellings(world, [world.known.lockKey, 'lock', 'lock/'])];
  const asked = names.map((name) => [name, message([1, name])] as const);
  await each(world, 'v3lockpb.Lock/Unlock', asked, written(world, ok));
};

const campaign: Attack = async (world) => {
  const method = 'v3electionpb.Election/Campaign';
  const { intruder } = world;
  for (const name of spellings(world, ['boss', 'lock'])) {
    const heard = await intruder.ask(method, message([1, name], [3, 'usurper']));
    written(world, ok)(heard, name);
    expect(heard.textAt(2, 1)).toEqual(world.mayWrite ? [name] : []);
    for (const leader of heard.at(2)) {
      await intruder.ask('v3electionpb.Election/Resign', message([1, leader as Uint8Array]));
    }
  }
  const leased = [...foreignLeases(world), ...oddLeases].map(
    (id) => [`${id}`, message([1, 'boss'], [2, id], [3, 'usurper'])] as const,
  );
  await each(world, method, leased, written(world, { code: Code.UNKNOWN, details: noLease }));
};

/** The victim's office, in all spellings: by the visible key and the stored one, with its revision and its leases. */
function offices(world: World): Uint8Array[] {
  const { leader, leases: known } = world.known;
  const revision = BigInt(leader.rev ?? 0);
  const key = Buffer.from(leader.key ?? []).toString('latin1');
  const ids = [0n, -1n, ...known];
  return spellings(world, [key]).flatMap((spelled) =>
    ids.map((id) => message([1, 'boss'], [2, spelled], [3, revision], [4, id])),
  );
}

const proclaim: Attack = async (world) => {
  const asked = offices(world).map((o, i) => [i, message([1, o], [2, 'usurper'])] as const);
  await each(world, 'v3electionpb.Election/Proclaim', asked, (heard, i) => {
    written(world, { code: Code.UNKNOWN })(heard, i);
    expect(heard.code).not.toBe(Code.OK);
  });
};

const resign: Attack = async (world) => {
  const asked = offices(world).map((office, i) => [i, message([1, office])] as const);
  await each(world, 'v3electionpb.Election/Resign', asked, written(world));
};

const electionNames = (world: World) => [
  ...spellings(world, ['boss', 'boss/', world.victim]),
  ...readNames(world),
  '',
];

const leader: Attack = async (world) => {
  const names = electionNames(world).filter((name) => name !== '');
  const asked = names.map((name) => [name, message([1, name])] as const);
  await each(world, 'v3electionpb.Election/Leader', asked, (heard, name) => {
    const none = { code: Code.UNKNOWN, details: 'election: no leader' };
    expect(outcomeOf(heard), JSON.stringify(name)).toEqual(none);
  });
};

const observe: Attack = async (world) => {
  const open = electionNames(world).map((name) => {
    const observer = world.intruder.open('v3electionpb.Election/Observe', message([1, name]));
    observer.halfClose();
    return observer;
  });
  await world.stir();
  await world.stir();
  await world.intruder.ask('etcdserverpb.KV/Range', message([1, 'own']));
  for (const observer of open) {
    observer.cancel();
    await observer.ended;
    expect(observer.messages).toEqual([]);
    expect(observer.code, 'it was still waiting').toBe(Code.CANCELLED);
  }
};

const memberList: Attack = async (world) => {
  for (const linearizable of [0n, 1n]) {
    const heard = await world.intruder.ask(
      'etcdserverpb.Cluster/MemberList',
      message([1, linearizable]),
    );
    expect(heard.at(2)).toHaveLength(1);
    expect(heard.at(2, 3), 'no peer URL').toEqual([]);
    expect(heard.at(2, 1)).not.toContain(world.known.memberId);
  }
};

const status: Attack = async ({ intruder }) => {
  const heard = await intruder.ask('etcdserverpb.Maintenance/Status', message());
  expect(heard.code).toBe(Code.OK);
  // Sizes are those of an empty store, and positions are not shown.
  for (const field of [3, 9]) expect(heard.at(field)).toEqual([20_480n]);
  for (const field of [5, 7, 12]) expect(heard.at(field)).toEqual([]);
};

/** With an alarm up, which everybody may know of, but not whose it is. */
const alarm: Attack = async (world) => {
  const method = 'etcdserverpb.Maintenance/Alarm';
  const { memberId } = world.known;
  const raised = { memberID: String(memberId), alarm: 'NOSPACE' } as const;
  await world.direct.call(method, { ...raised, action: 'ACTIVATE' });
  try {
    const heard = await world.intruder.ask(method, message());
    expect(heard.at(2, 2)).toEqual([1n]);
    expect(heard.at(2, 1)).not.toContain(memberId);
    const asked = [1n, 2n, 3n, -1n].flatMap((action) =>
      [0n, memberId].map((id) => [`${action}`, message([1, action], [2, id], [3, 1n])] as const),
    );
    await each(world, method, asked, (refusal) => expect(outcomeOf(refusal)).toEqual(denied));
    expect((await world.direct.call(method, {})).alarms).toEqual([raised]);
  } finally {
    await world.direct.call(method, { ...raised, action: 'DEACTIVATE' });
  }
};

/** Only ever refused, whatever is asked; by default of the member by its real number. */
const refused =
  (method: MethodName, ...request: readonly Pair[]): Attack =>
  async ({ intruder, known }) => {
    const bytes = message(...(request.length > 0 ? request : [[1, known.memberId] as const]));
    for (const asked of [bytes, message()]) {
      expect(outcomeOf(await intruder.ask(method, asked))).toEqual(denied);
    }
  };

/** Answered by the proxy itself; there is nothing to learn. */
const harmless =
  (method: MethodName, ...requests: readonly Uint8Array[]): Attack =>
  async ({ intruder }) => {
    for (const request of requests) {
      const heard = intruder.open(method, request);
      heard.halfClose();
      await until('a response', () => heard.messages.length > 0 || heard.status !== null);
      heard.cancel();
      await heard.ended;
    }
  };

const permission = message([1, 2n], [2, '\0'], [3, '\0']);

export const attacks: { readonly [name in MethodName]: Attack } = {
  'etcdserverpb.KV/Range': reads('etcdserverpb.KV/Range'),
  'etcdserverpb.KV/RangeStream': reads('etcdserverpb.KV/RangeStream', 1),
  'etcdserverpb.KV/Put': put,
  'etcdserverpb.KV/DeleteRange': remove,
  'etcdserverpb.KV/Txn': txn,
  'etcdserverpb.KV/Compact': compact,
  'etcdserverpb.Watch/Watch': watch,
  'etcdserverpb.Lease/LeaseGrant': grant,
  'etcdserverpb.Lease/LeaseRevoke': revoke,
  'etcdserverpb.Lease/LeaseKeepAlive': keepAlive,
  'etcdserverpb.Lease/LeaseTimeToLive': timeToLive,
  'etcdserverpb.Lease/LeaseLeases': leases,
  'etcdserverpb.Cluster/MemberList': memberList,
  'etcdserverpb.Cluster/MemberAdd': refused('etcdserverpb.Cluster/MemberAdd', [1, 'http://127.0.0.1:9']),
  'etcdserverpb.Cluster/MemberRemove': refused('etcdserverpb.Cluster/MemberRemove'),
  'etcdserverpb.Cluster/MemberUpdate': refused('etcdserverpb.Cluster/MemberUpdate'),
  'etcdserverpb.Cluster/MemberPromote': refused('etcdserverpb.Cluster/MemberPromote'),
  'etcdserverpb.Maintenance/Status': status,
  'etcdserverpb.Maintenance/Alarm': alarm,
  'etcdserverpb.Maintenance/Defragment': refused('etcdserverpb.Maintenance/Defragment'),
  'etcdserverpb.Maintenance/Hash': refused('etcdserverpb.Maintenance/Hash'),
  'etcdserverpb.Maintenance/HashKV': refused('etcdserverpb.Maintenance/HashKV', [1, 2n]),
  'etcdserverpb.Maintenance/Snapshot': refused('etcdserverpb.Maintenance/Snapshot'),
  'etcdserverpb.Maintenance/MoveLeader': refused('etcdserverpb.Maintenance/MoveLeader'),
  'etcdserverpb.Maintenance/Downgrade': refused('etcdserverpb.Maintenance/Downgrade', [1, 1n], [2, '3.3.0']),
  'etcdserverpb.Auth/AuthEnable': refused('etcdserverpb.Auth/AuthEnable'),
  'etcdserverpb.Auth/AuthDisable': refused('etcdserverpb.Auth/AuthDisable'),
  'etcdserverpb.Auth/AuthStatus': harmless('etcdserverpb.Auth/AuthStatus', message()),
  'etcdserverpb.Auth/Authenticate': harmless('etcdserverpb.Auth/Authenticate', message([1, 'root'], [2, 'root'])),
  'etcdserverpb.Auth/UserAdd': refused('etcdserverpb.Auth/UserAdd', [1, 'root'], [2, 'root']),
  'etcdserverpb.Auth/UserGet': refused('etcdserverpb.Auth/UserGet', [1, 'root']),
  'etcdserverpb.Auth/UserList': refused('etcdserverpb.Auth/UserList'),
  'etcdserverpb.Auth/UserDelete': refused('etcdserverpb.Auth/UserDelete', [1, 'root']),
  'etcdserverpb.Auth/UserChangePassword': refused('etcdserverpb.Auth/UserChangePassword', [1, 'root'], [2, 'x']),
  'etcdserverpb.Auth/UserGrantRole': refused('etcdserverpb.Auth/UserGrantRole', [1, 'root'], [2, 'root']),
  'etcdserverpb.Auth/UserRevokeRole': refused('etcdserverpb.Auth/UserRevokeRole', [1, 'root'], [2, 'root']),
  'etcdserverpb.Auth/RoleAdd': refused('etcdserverpb.Auth/RoleAdd', [1, 'root']),
  'etcdserverpb.Auth/RoleGet': refused('etcdserverpb.Auth/RoleGet', [1, 'root']),
  'etcdserverpb.Auth/RoleList': refused('etcdserverpb.Auth/RoleList'),
  'etcdserverpb.Auth/RoleDelete': refused('etcdserverpb.Auth/RoleDelete', [1, 'root']),
  'etcdserverpb.Auth/RoleGrantPermission': refused('etcdserverpb.Auth/RoleGrantPermission', [1, 'root'], [2, permission]),
  'etcdserverpb.Auth/RoleRevokePermission': refused('etcdserverpb.Auth/RoleRevokePermission', [1, 'root'], [2, '\0'], [3, '\0']),
  'v3lockpb.Lock/Lock': lock,
  'v3lockpb.Lock/Unlock': unlock,
  'v3electionpb.Election/Campaign': campaign,
  'v3electionpb.Election/Proclaim': proclaim,
  'v3electionpb.Election/Leader': leader,
  'v3electionpb.Election/Observe': observe,
  'v3electionpb.Election/Resign': resign,
  'grpc.health.v1.Health/Check': harmless('grpc.health.v1.Health/Check', message(), message([1, 'etcdserverpb.KV'])),
  'grpc.health.v1.Health/Watch': harmless('grpc.health.v1.Health/Watch', message(), message([1, 'etcdserverpb.KV'])),
}; // biome-ignore format: a table, one method per row
