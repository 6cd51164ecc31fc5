/** Host names of endpoints, with a resolver of the test and servers on several loopback addresses. */
import { type AddressInfo, createServer, type LookupFunction } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { NativeClientTransport } from '../../../../src/grpc/native/client.ts';
import { SharedLookup } from '../../../../src/grpc/native/lookup.ts';
import { NativeServerTransport } from '../../../../src/grpc/native/server.ts';
import type { Channel, Listener, Peer } from '../../../../src/grpc/transport.ts';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { systemRandom } from '../../../../src/runtime/random.ts';
import { Caller } from '../../../support/caller.ts';
import { connectionsOf } from '../../../support/client-connections.ts';
import { memoryOf } from '../../../support/message-memory.ts';
import { until } from '../../../support/until.ts';

const method = { path: '/a.B/C', requestStream: false, responseStream: false };
const head = { path: method.path, metadata: [], timeoutMs: 5_000 };
const [first, second] = ['127.0.0.2', '127.0.0.3'];

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

const options = () => ({
  ...{ clock: systemClock, random: systemRandom, memory: memoryOf(), http1: null },
  connections: connectionsOf(),
  onFault: (fault: unknown) => {
    throw fault;
  },
});

/** A server that responds with its own address. */
async function serve(host: string, port: number): Promise<Listener> {
  const listener = await new NativeServerTransport(options()).listen(
    {
      name: host,
      address: { host, port },
      tls: null,
      messageBytesMax: 1_024,
      streamsMax: Number.POSITIVE_INFINITY,
    },
    {
      methods: new Map([[method.path, method]]),
      unary: ({ peer }: { peer: Peer }, _request, responses) => {
        responses.deliver(Buffer.from(peer.listener) as never);
        responses.end({ code: 0, text: '', origin: 'peer', trailers: [] });
        return { cancel() {}, pauseResponses() {}, resumeResponses() {} };
      },
      stream: () => {
        throw new Error('not used');
      },
    },
  );
  open.push({ [Symbol.asyncDispose]: () => listener.drain(0).then(() => {}) });
  return listener;
}

const portOf = ({ address }: Listener) => Number(address.split(':').at(-1));

/** A channel to the name `etcd`, with what the resolver says at present. */
function dial(port: number, addresses: { current: readonly string[] }) {
  let lookups = 0;
  const lookup: LookupFunction = (_host, _options, callback) => {
    lookups += 1;
    callback(
      null,
      addresses.current.map((address) => ({ address, family: 4 })),
    );
  };
  const channel = new NativeClientTransport({ ...options(), lookup }).dial({
    address: { host: 'etcd', port },
    tls: null,
    keepaliveMs: 10_000,
    keepaliveTimeoutMs: 5_000,
  });
  open.push({ [Symbol.asyncDispose]: async () => channel.close() });
  return { channel, lookups: () => lookups };
}

async function serverOf(channel: Channel): Promise<string | undefined> {
  await until('connection', () => channel.state === 'ready');
  const caller = new Caller();
  channel.unary(head, Buffer.of(), caller);
  await caller.ended();
  return caller.texts[0];
}

describe('a name of an endpoint', () => {
  test('is resolved again when the connection is lost, so a moved member is found', async () => {
    const old = await serve(first, 0);
    const addresses = { current: [first] };
    const { channel } = dial(portOf(old), addresses);
    expect(await serverOf(channel)).toBe(first);
    await serve(second, portOf(old));
    addresses.current = [second];
    await old.drain(0);
    await until('loss', () => channel.state !== 'ready');
    expect(await serverOf(channel)).toBe(second);
  });

  test('with several addresses is connected although the first one refuses', async () => {
    const { channel, lookups } = dial(portOf(await serve(second, 0)), { current: [first, second] });
    expect(await serverOf(channel)).toBe(second);
    expect(lookups()).toBe(1);
  });

  test('with several addresses is connected although the first one accepts and is not etcd', async () => {
    const port = portOf(await serve(second, 0));
    const other = createServer((socket) => socket.on('error', () => {}).destroy());
    await new Promise<void>((resolve) => other.listen(port, first, resolve));
    open.push({
      [Symbol.asyncDispose]: () =>
        new Promise<void>((resolve) => {
          other.close(() => resolve());
        }),
    });
    expect((other.address() as AddressInfo).port).toBe(port);
    const { channel } = dial(port, { current: [first, second] });
    expect(await serverOf(channel)).toBe(second);
  });
});

test('equal lookups in progress share one, so a resolver that hangs takes one thread', () => {
  const pending: Parameters<LookupFunction>[2][] = [];
  const shared = new SharedLookup((_host, _options, callback) => void pending.push(callback));
  const found: unknown[] = [];
  const resolve = (host: string) =>
    shared.resolve(host, { all: true }, (_error, addresses) => found.push(addresses));
  resolve('etcd');
  resolve('etcd');
  resolve('other');
  expect(pending).toHaveLength(2);
  pending[0]?.(null, [{ address: first, family: 4 }]);
  expect(found).toEqual([[{ address: first, family: 4 }], [{ address: first, family: 4 }]]);
  resolve('etcd');
  expect(pending).toHaveLength(3);
});
