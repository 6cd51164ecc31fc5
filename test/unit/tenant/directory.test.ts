import { describe, expect, test } from 'vitest';
import type { ListenerConfig } from '../../../src/config/sections/listeners.ts';
import type { TenantConfig } from '../../../src/config/sections/tenants.ts';
import { parsePasswordHash } from '../../../src/config/sections/users.ts';
import { keySpace } from '../../../src/etcd/key-space.ts';
import { buildDirectory, checkTenants, type Directory } from '../../../src/tenant/directory.ts';
import {
  directoryConfig,
  directoryOf,
  listenerConfig,
  tenantConfig as tenant,
} from '../../support/tenancy.ts';

function listener(name: string, tenantName: string): ListenerConfig {
  return listenerConfig(name, { tenant: tenantName });
}

function directory(
  tenants: readonly TenantConfig[],
  listeners: readonly ListenerConfig[] = [],
  previous: Directory | null = null,
): Directory {
  return directoryOf({ tenants, listeners }, { previous });
}

function problems(...tenants: readonly TenantConfig[]): string[] {
  return checkTenants(tenants).map(({ where, what }) => `${where}: ${what}`);
}

describe('a directory', () => {
  test('finds tenants by name and by listener', () => {
    const built = directory(
      [tenant('a', 'game-a/'), tenant('b', 'game-b/')],
      [listener('127.0.0.1:2379', 'a'), listener('127.0.0.1:2389', 'b')],
    );
    expect(built.listener('127.0.0.1:2389')?.tenant?.name).toBe('b');
    expect(built.listener('elsewhere')).toBeNull();
    expect(built.byName('c')).toBeNull();
    const a = built.byName('a');
    expect(Buffer.from(a?.keySpace.prefix ?? []).toString()).toBe('game-a/');
    expect(a?.keySpace.leases.stored(1)).toBe(keySpace(Buffer.from('game-a/')).leases.stored(1));
  });

  test('adjacent namespaces that do not overlap are accepted', () => {
    expect(
      problems(
        tenant('1', 't1/'),
        tenant('2', 't10/'),
        tenant('3', 't1-/'),
        tenant('4', 't2/'),
        tenant('5', 't/1/'),
      ),
    ).toEqual([]);
  });

  test('every namespace within another one is reported, not only adjacent ones', () => {
    expect(
      problems(
        tenant('outer', 'a/'),
        tenant('first', 'a/1/'),
        tenant('second', 'a/2/'),
        tenant('deep', 'a/2/x/'),
        tenant('apart', 'b/'),
      ),
    ).toEqual([
      'tenant "first": its namespace lies within that of tenant "outer"',
      'tenant "second": its namespace lies within that of tenant "outer"',
      'tenant "deep": its namespace lies within that of tenant "second"',
    ]);
  });

  test('the whole cluster is a namespace that contains all others', () => {
    expect(problems(tenant('owner', ''))).toEqual([]);
    expect(problems(tenant('a', 'a/'), tenant('owner', ''))).toEqual([
      'tenant "a": its namespace lies within that of tenant "owner"',
    ]);
  });

  test('the same namespace twice is one problem', () => {
    expect(problems(tenant('a', 'x/'), tenant('b', 'x/'))).toEqual([
      'tenant "b": its namespace lies within that of tenant "a"',
    ]);
  });

  test('a namespace must end in a delimiter, unless that is allowed explicitly', () => {
    expect(problems(tenant('a', 'game'))).toHaveLength(1);
    expect(problems(tenant('a', 'game', { allowUndelimited: true }))).toEqual([]);
    expect(
      problems(
        tenant('a', 'game', { allowUndelimited: true }),
        tenant('b', 'game-1', { allowUndelimited: true }),
      ),
    ).toHaveLength(1);
  });

  test('all problems are reported at once', () => {
    const found = problems(
      tenant('a', 'a'),
      tenant('b', 'b/'),
      tenant('c', 'c/'),
      tenant('d', 'c/d/'),
      tenant('e', 'e'),
    );
    const named = (name: string) => found.filter((text) => text.startsWith(`tenant "${name}"`));
    expect([...'abcde'].map((name) => named(name).length)).toEqual([1, 0, 0, 1, 1]);
  });

  test('a listener of an unknown tenant is a problem', () => {
    const config = { tenants: [tenant('a', 'a/')], listeners: [listener('l', 'x')] };
    const built = buildDirectory(directoryConfig(config));
    expect(built).toEqual([{ where: 'listener l', what: 'the tenant "x" does not exist' }]);
  });

  describe('after a reload', () => {
    const compacted = (tenants: readonly TenantConfig[]) => {
      const before = directory(tenants);
      before.byName('a')?.state.floor.raise(42, new Uint8Array(0));
      return before;
    };

    test('an unchanged tenant is the same object', () => {
      const before = compacted([tenant('a', 'a/'), tenant('b', 'b/')]);
      const after = directory([tenant('a', 'a/'), tenant('b', 'other/')], [], before);
      expect(after.byName('a')).toBe(before.byName('a'));
      expect(after.byName('b')).not.toBe(before.byName('b'));
      expect(before.byName('b')?.keySpace.prefix).toEqual(new Uint8Array(Buffer.from('b/')));
    });

    test.each<[string, Partial<TenantConfig>]>([
      ['access', { access: 'read-only' }],
      ['identities', { identities: ['x509:CN=other'] }],
      ['methods', { owns: ['etcdserverpb.Maintenance/Defragment'] }],
    ])('a tenant with other %s is another object with the same state', (_what, changes) => {
      const before = compacted([tenant('a', 'a/')]);
      const after = directory([tenant('a', 'a/', changes)], [], before);
      expect(after.byName('a')).not.toBe(before.byName('a'));
      expect(after.byName('a')?.state).toBe(before.byName('a')?.state);
    });

    test('a tenant whose password has changed is another object with the same state', () => {
      const tenants = [tenant('a', 'a/', { identities: ['user:mary'] })];
      const users = (salt: string) => {
        const hash = parsePasswordHash(`$2b$04$${salt.repeat(53)}`);
        if (typeof hash === 'string') throw new Error(hash);
        return new Map([['mary', hash]]);
      };
      const before = directoryOf({ tenants, users: users('a') });
      const same = directoryOf({ tenants, users: users('a') }, { previous: before });
      expect(same.byName('a')).toBe(before.byName('a'));
      const after = directoryOf({ tenants, users: users('b') }, { previous: before });
      expect(after.byName('a')).not.toBe(before.byName('a'));
      expect(after.byName('a')?.state).toBe(before.byName('a')?.state);
    });

    test.each<[string, TenantConfig]>([
      ['name', tenant('b', 'a/')],
      ['prefix', tenant('a', 'b/')],
    ])('a tenant with another %s starts with empty state', (_what, changed) => {
      const before = compacted([tenant('a', 'a/')]);
      const after = directory([changed], [], before);
      const built = after.byName(changed.name);
      expect(built?.state).not.toBe(before.byName('a')?.state);
      expect(built?.state.floor.revision).toBe(0);
      expect(built?.state.tenantName).toBe(changed.name);
      expect(before.statesMissingIn(after)).toEqual([before.byName('a')?.state]);
    });

    test('only the state of a removed tenant is missing', () => {
      const before = compacted([tenant('a', 'a/'), tenant('b', 'b/'), tenant('c', 'c/')]);
      const kept = [tenant('a', 'a/'), tenant('b', 'b/', { access: 'read-only' })];
      const after = directory([...kept, tenant('d', 'd/')], [], before);
      expect(before.statesMissingIn(after)).toEqual([before.byName('c')?.state]);
    });
  });

  test('ten thousand tenants are checked within two seconds', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => tenant(`t${i}`, `games/t${i}/`));
    const startMs = performance.now();
    directory(many);
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });
});
