/**
 * What tracing costs a call: medians over many short rounds, in one process, without I/O. Without a collector there is no tracer,
 * and a call pays for two comparisons with null. Run it on an idle machine:
 *
 *   node bench/micro/trace.bench.ts
 */
import type { Call } from '../../src/call/call.ts';
import { Code, status } from '../../src/grpc/status.ts';
import type { CallRecord } from '../../src/observe/events.ts';
import { TraceIds } from '../../src/observe/tracing/trace-ids.ts';
import { Tracer } from '../../src/observe/tracing/tracer.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { callOf, testTenant } from '../../test/support/test-call.ts';
import { heading, measure } from './measure.ts';

const tenant = testTenant();
const ok = status(Code.OK, '', 'peer');
// A second per call, so that the rate limit of sampled calls does not apply.
let nowMs = 0;
const fastClock: Clock = { ...systemClock, nowMs: () => (nowMs += 1_000) };
let spans = 0;

function tracerOf(ratio: number): Tracer {
  return new Tracer({
    clock: fastClock,
    ids: new TraceIds(),
    ratio,
    onSpan: () => {
      spans += 1;
    },
    onLimited: () => {
      throw new Error('limited');
    },
  });
}

function traced(tracer: Tracer, call: Call): void {
  call.trace = tracer.begin(call);
  call.trace?.attempt(call.method, 'etcd:2379').end(ok);
  const record: CallRecord = {
    ...{
      call,
      durationMs: 1,
      code: 0,
      text: '',
      isCancelled: false,
      operation: null,
      sample: null,
    },
    ...{ requestMessages: 1, requestBytes: 20, responseMessages: 1, responseBytes: 30 },
  };
  tracer.ended(record);
}

const metadata = ['user-agent', 'grpc-go/1.71.1', 'hasleader', 'true'];
const parent = ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'];
const plain = callOf('etcdserverpb.KV/Put', { tenant, metadata });
const withParent = callOf('etcdserverpb.KV/Put', { tenant, metadata: [...metadata, ...parent] });
const [never, always] = [tracerOf(0), tracerOf(1)];

heading('a call with one attempt');
measure('tracing on, not sampled', 0, () => traced(never, plain));
measure('tracing on, sampled', 0, () => traced(always, plain));
measure('tracing on, sampled by its client', 0, () => traced(never, withParent));
if (spans === 0) throw new Error('no span');
