/** One tenant opens as many connections as it can. The other tenant, the upstream and the admin address go on. */
import { readdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Writer } from '../../src/protobuf/writer.ts';
import { grpcClient } from '../support/client.ts';
import { startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { Exposition } from '../support/exposition.ts';
import { FrameClient } from '../support/frame-client.ts';
import { audience, Issuer, issuer } from '../support/jwt.ts';
import { Program } from '../support/program.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { eventually, until } from '../support/until.ts';

const descriptorsMax = 600;
const connections = 900;
const key = Buffer.from('k');

const directory = new TemporaryDirectory('connections');
const tokens = new Issuer();
let etcd: Etcd;
/** Of tenant `b`, for the listener whose clients without a token are those of tenant `a`. */
let metadata: { authorization: string };

beforeAll(async () => {
  etcd = await startEtcd();
  tokens.writeKeys(join(directory.path, 'keys.json'));
  metadata = { authorization: `Bearer ${await tokens.sign({ sub: 'b' })}` };
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

function configuration() {
  return {
    endpoints: [etcd.address],
    'admin-addr': '127.0.0.1:0',
    'jwks-file': join(directory.path, 'keys.json'),
    'jwt-issuer': issuer,
    'jwt-audience': audience,
    tenants: [
      { name: 'a', namespace: 'a/' },
      { name: 'b', namespace: 'b/' },
    ],
    listeners: [
      { address: '127.0.0.1:0', tenant: 'a', identify: 'jwt' },
      { address: '127.0.0.2:0', tenant: 'b' },
    ],
  };
}

/** A connection with an open watch. It is served if `messages(1)` is 1. */
async function watching(address: string): Promise<FrameClient> {
  const client = await FrameClient.connect(address);
  const create = new Writer().message(1, new Writer().bytes(1, key).finish()).finish();
  client.headers(1, '/etcdserverpb.Watch/Watch');
  client.message(1, Buffer.from(create), { end: false });
  return client;
}

function disposeAll(clients: readonly FrameClient[]): Promise<unknown> {
  return Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
}

describe.each(['native', 'grpc-js'])(
  '%s, 600 descriptors, 900 connections with watches of one tenant',
  (transport) => {
    const file = join(directory.path, `${transport}.yaml`);
    const clients: FrameClient[] = [];
    let program: Program;
    let addresses: readonly string[];
    let admin: string;

    const served = () => clients.filter((client) => client.isServed && client.messages(1) === 1);
    const metrics = async () => new Exposition(await (await fetch(`${admin}/metrics`)).text());

    beforeAll(async () => {
      writeFileSync(file, JSON.stringify({ ...configuration(), transport }));
      program = new Program(['run', `--config=${file}`], {}, { descriptorsMax });
      const serving = await program.serving();
      addresses = serving.addresses;
      admin = `http://${serving.admin}`;
      while (clients.length < connections) {
        const batch = Array.from({ length: 100 }, () => watching(addresses[0] ?? ''));
        clients.push(...(await Promise.all(batch)));
      }
      await until(
        'as many served connections as the tenant may have',
        () => served().length >= 390,
      );
    });

    afterAll(async () => {
      await disposeAll(clients);
      program?.[Symbol.dispose]();
    });

    test('the tenant gets nearly all connections, and descriptors are left', async () => {
      // Clients that have connected may still wait to be accepted.
      const limitsReached = (found: Exposition) =>
        found.sum('etcd_bulkhead_client_connection_limits_total');
      const found = await eventually(metrics, (each) => limitsReached(each) > 400);
      expect(limitsReached(found)).toBeGreaterThan(400);
      expect(served().length).toBeLessThanOrEqual(424);
      expect(readdirSync(`/proc/${program.pid}/fd`).length).toBeLessThan(descriptorsMax - 64);
      expect(found.value('etcd_bulkhead_client_connections_limit')).toBe(424);
      expect(found.sum('etcd_bulkhead_client_connections')).toBeLessThanOrEqual(424);
      expect(
        found.value('etcd_bulkhead_client_connection_limits_total{reason="descriptors"}'),
      ).toBe(null);
      await program.printed('out', /"event":"connection limit"/);
    });

    test('another tenant connects and writes, on its own listener and on the same one', async () => {
      for (const [address, options] of [
        [addresses[1] ?? '', {}],
        [addresses[0] ?? '', { metadata }],
      ] as const) {
        const put = async () => {
          using client = grpcClient(address);
          const answer = await client
            .call('etcdserverpb.KV/Put', { key, value: key }, { ...options, timeoutMs: 2_000 })
            .catch(() => null);
          return answer !== null;
        };
        // On the same address a second may pass until a place is free.
        expect(await eventually(put, (isOk) => isOk)).toBe(true);
      }
    });

    test('another tenant gets 100 connections with watches, if its clients retry', async () => {
      const others: FrameClient[] = [];
      try {
        const isFull = async () => {
          const attempts = await Promise.all(
            Array.from({ length: 100 - others.length }, () => watching(addresses[1] ?? '')),
          );
          await until('an outcome', () =>
            attempts.every((each) => !each.isServed || each.messages(1) === 1),
          );
          others.push(...attempts.filter((each) => each.isServed));
          return others.length === 100;
        };
        await until('the connections', isFull);
        expect(others.every((client) => client.isServed)).toBe(true);
      } finally {
        await disposeAll(others);
      }
    });

    test('the admin address responds', async () => {
      for (const path of ['/livez', '/readyz', '/upstreamz']) {
        expect((await fetch(`${admin}${path}`)).status).toBe(200);
      }
    });

    test('etcd is connected again after a restart', async () => {
      await etcd.restart();
      using client = grpcClient(addresses[1] ?? '');
      const put = () =>
        client.call('etcdserverpb.KV/Put', { key, value: key }).then(
          () => true,
          () => false,
        );
      expect(await eventually(put, (isOk) => isOk)).toBe(true);
    });
  },
);

/** A persistent connection that has received a response. */
async function http1(address: string): Promise<Socket> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect(Number(port), host).on('error', () => {});
  socket.write('GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
  return socket;
}

test('280 HTTP/1.1 connections of one tenant do not block /health of another', async () => {
  await using proxy = await startConfigured(configuration());
  const [shared = '', own = ''] = proxy.addresses;
  const health = (address: string, headers = {}) =>
    fetch(`http://${address}/health`, { headers }).then(
      async (response) => `${response.status} ${await response.text()}`,
      () => 'disconnected',
    );
  await until('the version of etcd', async () => (await health(own)).startsWith('200'));
  const held = await Promise.all(Array.from({ length: 280 }, () => http1(shared)));
  try {
    expect(held.filter((socket) => !socket.destroyed).length).toBeGreaterThan(200);
    const isOpen = (answer: string) => answer !== 'disconnected';
    expect(await health(own)).toBe('200 {"health":"true"}');
    // On the same listener and address as soon as a connection of the others is a second old.
    expect(await eventually(() => health(shared, metadata), isOpen, 2_000)).toBe(
      '200 {"health":"true"}',
    );
  } finally {
    for (const socket of held) socket.destroy();
  }
});
