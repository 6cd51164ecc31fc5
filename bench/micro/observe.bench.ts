/**
 * The cost of the observe layer per unary call, counting for the tenant included: medians over many short rounds, in one process,
 * without I/O. The layer below ends each call at once. Run it on an idle machine:
 *
 *   node bench/micro/observe.bench.ts
 */
import {
  Call,
  type Etcd,
  type Message,
  type OwnedMessage,
  type Responses,
} from '../../src/call/call.ts';
import { keySpace } from '../../src/etcd/key-space.ts';
import { method } from '../../src/etcd/methods.ts';
import { endedCall } from '../../src/grpc/call.ts';
import { ok } from '../../src/grpc/status.ts';
import { CallCounters } from '../../src/observe/call-counters.ts';
import { noCallEvents } from '../../src/observe/events.ts';
import { observe } from '../../src/observe/observe.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { TenantState } from '../../src/tenant/state.ts';
import { Traffic } from '../../src/tenant/traffic.ts';
import { heading, measure } from './measure.ts';

const requestBytes = 300;
const request = Buffer.alloc(requestBytes) as Uint8Array as Message<'tenant'>;
const response = Buffer.alloc(40) as Uint8Array as OwnedMessage<'tenant'>;
const put = method('etcdserverpb.KV/Put');

const below: Etcd<'tenant'> = {
  unary: (_call, _request, responses) => {
    responses.deliver(response);
    responses.end(ok);
    return endedCall;
  },
  stream: () => endedCall,
};

const above: Responses<'tenant'> = {
  deliver: () => {},
  deliverShared: () => {},
  end: () => {},
  pauseRequests: () => {},
  resumeRequests: () => {},
};

const calls = Array.from({ length: 1_000 }, (_, index) => {
  const name = `tenant-${index}`;
  const call = new Call({
    ...{ method: put, metadata: [], deadlineMs: Number.POSITIVE_INFINITY },
    peer: { listener: '', remote: '', certificate: null },
  });
  call.tenant = {
    ...{ name, keySpace: keySpace(Buffer.from(`${name}/`)), state: new TenantState(name) },
    ...{ access: 'read-write', sharesWatches: true, owns: new Set() },
  };
  return call;
});
const counters = new CallCounters();
const layer = observe({ clock: systemClock, counters, events: noCallEvents, keyOf: null })(below);
const traffic = new Traffic();
let next = 0;

heading('observe');
measure('a call, one tenant', requestBytes, () => {
  layer.unary(calls[0] as Call, request, above);
});
measure('a call, 1,000 tenants in turn', requestBytes, () => {
  next = (next + 1) % calls.length;
  layer.unary(calls[next] as Call, request, above);
});
measure('the counts of the tenant alone', requestBytes, () => {
  next = (next + 1) % 97;
  traffic.calls += 1;
  traffic.requestBytes += requestBytes;
  traffic.responseBytes += 40;
  traffic.durations.record(next * 0.1, 0);
});
