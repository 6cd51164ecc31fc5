/** Channels and listeners: their states, lost connections, addresses, limits. */

import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Code, status } from '../../../src/grpc/status.ts';
import type { Channel } from '../../../src/grpc/transport.ts';
import { Caller } from '../../support/caller.ts';
import { Relay } from '../../support/relay.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';
import {
  bidi,
  dialOptions,
  Handler,
  Loop,
  listenOptions,
  portOf,
  ready,
  unaryMethod,
} from './loop.ts';
import type { PairKind } from './pairs.ts';

const head = { path: unaryMethod.path, metadata: [], timeoutMs: Infinity };
const request = Buffer.from('x');

/** How often a channel has lost its connection, and for how long it has waited before it dialed again. */
class Losses {
  count = 0;
  waitedMs = 0;

  constructor(channel: Channel) {
    channel.onState = () => {
      if (channel.state === 'failed') {
        this.count += 1;
        this.waitedMs -= performance.now();
      }
      if (channel.state === 'connecting') this.waitedMs += performance.now();
    };
  }
}

export function connectionsSuite(kind: PairKind): void {
  test('a channel reports its state, and the reason of a failure, and reconnects by itself', async () => {
    const pair = kind.make();
    const handler = new Handler();
    const first = await pair.server.listen(listenOptions, handler);
    const address = { host: '127.0.0.1', port: portOf(first) };
    const channel = pair.client.dial({ ...dialOptions, address });
    const states: string[] = [channel.state];
    channel.onState = () => states.push(channel.state);
    try {
      expect(channel.state).toBe('connecting');
      await ready(channel);
      await first.drain(0);
      await until('refused connection', () => channel.failure.includes('ECONNREFUSED'));
      expect(channel.state).toBe('failed');
      expect(channel.failure).toBe(`connect ECONNREFUSED 127.0.0.1:${address.port}`);
      const caller = new Caller();
      channel.unary(head, request, caller);
      expect(caller.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
      const second = await pair.server.listen({ ...listenOptions, address }, handler);
      await ready(channel);
      expect(channel.failure).toBe('');
      expect(states.indexOf('failed')).toBeGreaterThan(states.indexOf('ready'));
      channel.close();
      expect(channel.state).toBe('closed');
      await second.drain(0);
    } finally {
      channel.close();
    }
  });

  test('calls on a channel that is not connected yet end at once, unsent', () => {
    const address = { host: '127.0.0.1', port: 1 };
    const channel = kind.make().client.dial({ ...dialOptions, address });
    const [unary, stream] = [new Caller(), new Caller()];
    channel.unary(head, request, unary);
    channel.stream({ ...head, path: bidi.path }, stream);
    channel.close();
    for (const caller of [unary, stream]) {
      expect(caller.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
    }
  });

  test('a connection that breaks loses its unary calls and streams, and cancels their handlers', async () => {
    await using loop = await Loop.open(kind);
    await using relay = await Relay.to(loop.listener.address);
    const address = { host: '127.0.0.1', port: Number(relay.address.split(':').at(-1)) };
    const channel = await loop.dial({ address });
    const [unary, stream] = [loop.unary('x', {}, channel), loop.stream(bidi, channel)];
    await loop.handler.call(1);
    for (const call of loop.handler.calls) {
      if (call.incoming.method === bidi) call.deliver('event');
    }
    await until('event', () => stream.messages.length === 1);
    relay.cut();
    for (const caller of [unary, stream]) {
      expect(await caller.ended()).toMatchObject({ code: Code.UNAVAILABLE, origin: 'lost' });
    }
    await until('cancelled handlers', () => loop.handler.calls.every((c) => c.cancels === 1));
    await ready(channel);
    channel.close();
  });

  test('a connection that has carried a response is reopened at once, however often it is lost', async () => {
    await using loop = await Loop.open(kind);
    await using relay = await Relay.to(loop.listener.address);
    loop.handler.onCall = (call) => call.echo();
    const address = { host: '127.0.0.1', port: Number(relay.address.split(':').at(-1)) };
    const channel = await loop.dial({ address });
    const losses = new Losses(channel);
    try {
      for (let loss = 0; loss < 6; loss += 1) {
        expect(await loop.unary('x', {}, channel).ended()).toMatchObject({ code: Code.OK });
        relay.cut();
        await until('loss', () => losses.count > loss);
        await ready(channel);
      }
      // With a growing delay these would be more than 2 s.
      expect(losses.waitedMs).toBeLessThan(500);
    } finally {
      channel.close();
    }
  });

  test('connections that were ready and have carried nothing are reopened at once, a few times', async () => {
    await using loop = await Loop.open(kind);
    await using relay = await Relay.to(loop.listener.address);
    const address = { host: '127.0.0.1', port: Number(relay.address.split(':').at(-1)) };
    const channel = await loop.dial({ address });
    const losses = new Losses(channel);
    try {
      for (let loss = 0; loss < 5; loss += 1) {
        relay.cut();
        await until('loss', () => losses.count > loss);
        await ready(channel);
      }
      // With a delay of 100 ms that grows these would be more than a second.
      expect(losses.waitedMs).toBeLessThan(500);
    } finally {
      channel.close();
    }
  });

  const limited = test.skipIf(kind.deviations.reopensWithoutPause);
  limited(
    'a server that closes each connection before a response is dialed with backoff',
    async () => {
      await using loop = await Loop.open(kind);
      await using relay = await Relay.to(loop.listener.address);
      const address = { host: '127.0.0.1', port: Number(relay.address.split(':').at(-1)) };
      const channel = await loop.dial({ address });
      let losses = 0;
      channel.onState = () => {
        if (channel.state === 'failed') losses += 1;
        if (channel.state === 'ready') relay.cut();
      };
      relay.cut();
      await sleep(1_000);
      channel.close();
      // Five after 50 ms, then after 100, 160, 256 and 410 ms.
      expect(losses).toBeGreaterThan(5);
      expect(losses).toBeLessThan(12);
    },
  );

  limited(
    'a server that closes each connection after one response is not dialed without a pause',
    async () => {
      await using loop = await Loop.open(kind);
      await using relay = await Relay.to(loop.listener.address);
      loop.handler.onCall = (call) => call.echo();
      const address = { host: '127.0.0.1', port: Number(relay.address.split(':').at(-1)) };
      const channel = await loop.dial({ address });
      let losses = 0;
      channel.onState = () => {
        if (channel.state === 'failed') losses += 1;
        // As the probe of an endpoint does that has become ready.
        if (channel.state === 'ready')
          void loop
            .unary('x', {}, channel)
            .ended()
            .then(() => relay.cut());
      };
      void loop
        .unary('x', {}, channel)
        .ended()
        .then(() => relay.cut());
      await sleep(500);
      channel.close();
      expect(losses).toBeGreaterThan(0);
      expect(losses).toBeLessThan(15);
    },
  );

  test('closing a channel loses its open calls', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    const call = await loop.handler.call();
    loop.channel.close();
    expect(caller.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'lost' });
    await until('cancelled handler', () => call.cancels === 1);
  });

  test('two channels to one address are two connections', async () => {
    await using loop = await Loop.open(kind);
    const other = await loop.dial();
    loop.stream();
    loop.stream(bidi, other);
    await loop.handler.call(1);
    const [first, second] = loop.handler.calls.map((call) => call.incoming.peer);
    expect(first).not.toBe(second);
    expect(first).toMatchObject({ listener: 'local', certificate: null });
    expect(first?.remote).toMatch(/^127\.0\.0\.1:\d+$/);
    other.close();
  });

  test('a Unix socket is served for owner and group only, and replaces one that a dead process left', async () => {
    using directory = new TemporaryDirectory('socket');
    const path = join(directory.path, 'etcd.sock');
    const abandoned = createServer();
    await new Promise<void>((resolve) => abandoned.listen(path, resolve));
    await expect(
      kind.make().server.listen({ ...listenOptions, address: { path } }, new Handler()),
    ).rejects.toThrow(/EADDRINUSE/);
    await new Promise((resolve) => abandoned.close(resolve));
    await using loop = await Loop.open(kind, { address: { path } });
    expect(loop.listener.address).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    loop.handler.onCall = (call) => call.end(status(Code.NOT_FOUND, 'over unix'));
    expect((await loop.unary().ended()).text).toBe('over unix');
    expect(loop.handler.calls[0]?.incoming.peer.remote).toBe('');
  });

  test('an address in use is rejected with the text of the system', async () => {
    await using loop = await Loop.open(kind);
    const address = { host: '127.0.0.1', port: portOf(loop.listener) };
    await expect(
      loop.pair.server.listen({ ...listenOptions, address }, new Handler()),
    ).rejects.toThrow(`listen EADDRINUSE: address already in use 127.0.0.1:${address.port}`);
  });

  test('calls over the limit of streams wait or are rejected, and are not served', async () => {
    await using loop = await Loop.open(kind, { streamsMax: 2 });
    const callers = [loop.stream(), loop.stream()];
    await loop.handler.call(1);
    const third = loop.stream();
    await sleep(50);
    expect(loop.handler.calls).toHaveLength(2);
    for (const { call } of callers) call.cancel();
    await until('third stream', () => third.status !== null || loop.handler.calls.length === 3);
    const origin = kind.deviations.resetsStreamsOverLimit ? 'lost' : 'unsent';
    if (third.status !== null) expect(third.status).toMatchObject({ origin });
  });
}
