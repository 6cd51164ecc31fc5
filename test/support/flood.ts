/**
 * Keeps many puts in flight at one address until it is ended: a process of its own, so that the test that measures others is not
 * slowed down by it.
 *
 * Run: node test/support/flood.ts HOST PORT CONNECTIONS CALLS_PER_CONNECTION
 */
import { NativeClientTransport } from '../../src/grpc/native/client.ts';
import type { Channel } from '../../src/grpc/transport.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { encodeRequest } from './codec.ts';
import { memoryOf } from './message-memory.ts';

const [host = '', port, connections, calls] = process.argv.slice(2);
const head = { path: '/etcdserverpb.KV/Put', metadata: [], timeoutMs: Infinity };
const put = encodeRequest('etcdserverpb.KV/Put', {
  key: Buffer.from('k'),
  value: Buffer.alloc(256),
});

const transport = new NativeClientTransport({
  clock: systemClock,
  memory: memoryOf(),
  random: systemRandom,
  onFault: (fault) => {
    throw fault;
  },
});

function send(channel: Channel): void {
  channel.unary(head, put, {
    deliver: () => {},
    deliverShared: () => {},
    // A rejected call is not repeated at once: the flood is as many calls in flight, not as many as the machine can send.
    end: ({ code }) => (code === 0 ? send(channel) : setTimeout(() => send(channel), 100)),
    pauseRequests: () => {},
    resumeRequests: () => {},
  });
}

for (let i = 0; i < Number(connections); i++) {
  const address = { host, port: Number(port) };
  const keepalive = { keepaliveMs: 10_000, keepaliveTimeoutMs: 60_000 };
  const channel = transport.dial({ address, tls: null, ...keepalive });
  let hasBegun = false;
  channel.onState = () => {
    if (channel.state !== 'ready' || hasBegun) return;
    hasBegun = true;
    for (let call = 0; call < Number(calls); call++) send(channel);
  };
}
// The timers of the transport do not keep the process alive.
setInterval(() => {}, 1_000);
