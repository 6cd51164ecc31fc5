import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Problem } from '../../src/config/problem.ts';
import { keySpace } from '../../src/etcd/key-space.ts';
import { checkSeparation } from '../../src/tenant/separation.ts';
import { TenantState } from '../../src/tenant/state.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';

// Few distinct letters, so that namespaces often contain each other.
const namespaces = fc.uniqueArray(
  fc
    .array(fc.constantFrom('a', 'b', '/'), { minLength: 0, maxLength: 3 })
    .map((letters) => letters.join('')),
  { maxLength: 6 },
);

function tenantOf(namespace: string, index: number): Tenant {
  const name = `t${index}`;
  const space = keySpace(Buffer.from(namespace));
  const state = new TenantState(name);
  return {
    name,
    keySpace: space,
    state,
    access: 'read-write',
    sharesWatches: true,
    cachesReads: false,
    owns: new Set(),
  };
}

test('an overlap of namespaces is reported exactly for those that begin with another one', () => {
  fc.assert(
    fc.property(namespaces, (names) => {
      const problems: Problem[] = [];
      checkSeparation(names.map(tenantOf), problems);
      const inner = names.flatMap((name, index) =>
        names.some((other) => other !== name && name.startsWith(other))
          ? [`tenant "t${index}"`]
          : [],
      );
      expect(problems.map(({ where }) => where).toSorted()).toEqual(inner.toSorted());
    }),
  );
});
