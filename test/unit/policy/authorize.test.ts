import { describe, expect, test } from 'vitest';
import type { Call } from '../../../src/etcd/api.ts';
import { methods } from '../../../src/etcd/methods.ts';
import { Code } from '../../../src/grpc/status.ts';
import { authorize } from '../../../src/policy/authorize.ts';
import { CallerAbove, callOf, EtcdBelow, someTenant } from '../../support/neighbours.ts';

describe('authorize', () => {
  test.each(methods.map((method) => [method.decision, method.name] as const))(
    'a method that is %s: %s',
    (decision, name) => {
      const below = new EtcdBelow<'tenant'>();
      const denied: Call[] = [];
      const etcd = authorize((call) => void denied.push(call))(below);
      const calls = [1, 2].map(() => callOf(name, { tenant: someTenant() }));
      const above = [new CallerAbove<'tenant'>(), new CallerAbove<'tenant'>()] as const;
      const [unary, stream] = calls;
      if (unary === undefined || stream === undefined) throw new Error('two calls were made');
      etcd.unary(unary, Buffer.from('x'), above[0]);
      etcd.stream(stream, above[1]).message(Buffer.from('x'));
      if (decision === 'refused') {
        for (const { status } of above) {
          expect(status).toMatchObject({
            code: Code.PERMISSION_DENIED,
            text: 'etcdserver: permission denied',
          });
        }
        expect(denied).toEqual(calls);
        expect(below.attempts).toEqual([]);
      } else {
        expect(below.attempts.map(({ call }) => call)).toEqual(calls);
        expect(denied).toEqual([]);
      }
    },
  );
});
