import { describe, expect, test } from 'vitest';
import type { Etcd, Layer, Space } from '../../src/call/call.ts';
import { endedCall } from '../../src/grpc/call.ts';
import { type Parts, pipeline } from '../../src/pipeline.ts';

/** A layer that notes its name when a call passes. */
function noting<Above extends Space, Below extends Space>(
  name: string,
  passed: string[],
): Layer<Above, Below> {
  return (next) => ({
    unary(call, request, reply) {
      passed.push(name);
      return (next as unknown as Etcd<Above>).unary(call, request, reply);
    },
    stream: () => endedCall,
  });
}

describe('the pipeline', () => {
  test('a call passes the layers in the order in which the file lists them', () => {
    const passed: string[] = [];
    const parts: Parts = {
      rescue: noting('rescue', passed),
      health: noting('health', passed),
      authenticate: noting('authenticate', passed),
      identify: noting('identify', passed),
      observe: noting('observe', passed),
      drain: noting('drain', passed),
      authorize: noting('authorize', passed),
      namespace: noting('namespace', passed),
      watchStreams: noting('watchStreams', passed),
      guard: noting('guard', passed),
      upstream: {
        unary: () => {
          passed.push('upstream');
          return endedCall;
        },
        stream: () => endedCall,
      },
    };
    const nothing = undefined as never;
    pipeline(parts).unary(nothing, new Uint8Array(0), nothing);
    expect(passed).toEqual(Object.keys(parts));
  });

  test('a call that skipped its namespace does not compile', () => {
    const tenantOnly = (next: Etcd<'tenant'>) => next;
    const store = undefined as unknown as Etcd<'store'>;
    // @ts-expect-error the layer wants tenants' keys below it, and etcd holds stored ones
    const wrong = () => tenantOnly(store);
    expect(wrong).toBeTypeOf('function');
  });
});
