/**
 * The upstream over grpc-js against real etcds: which failures clients do not notice, and which statuses they receive
 * for the others.
 */

import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Call, type Requests } from '../../../src/call/call.ts';
import type { EndpointConfig } from '../../../src/config/sections/endpoints.ts';
import { type MethodName, method } from '../../../src/etcd/methods.ts';
import { GrpcJsClientTransport } from '../../../src/grpc/grpc-js/client.ts';
import { Code, type Status } from '../../../src/grpc/status.ts';
import type { ClientTls } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { Caller } from '../../support/caller.ts';
import { CertificateAuthority, type KeyPair } from '../../support/certificates.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { encodeRequest } from '../../support/codec.ts';
import { type Etcd, startEtcd, startSecureEtcd } from '../../support/etcd.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { message } from '../../support/test-call.ts';
import { until } from '../../support/until.ts';

const peer = { listener: 'local', remote: '', certificate: null };

/** An upstream that closes itself, with the calls that the tests make. */
class Line implements Disposable {
  readonly upstream: Upstream;
  readonly faults: unknown[] = [];
  readonly #watches: Requests<'store'>[] = [];

  constructor(endpoints: readonly EndpointConfig[]) {
    const onFault = (fault: unknown) => this.faults.push(fault);
    this.upstream = new Upstream({
      memory: memoryOf(),
      endpoints,
      passesCredentials: () => true,
      login: null,
      mayMoveStreams: () => true,
      onLoginFailure: null,
      onClusterReplaced: null,
      keepaliveMs: 10_000,
      keepaliveTimeoutMs: 5_000,
      transport: new GrpcJsClientTransport({ clock: systemClock, onFault }),
      clock: systemClock,
      random: systemRandom,
    });
  }
  #call(name: MethodName, timeoutMs: number): Call {
    const deadlineMs = systemClock.nowMs() + timeoutMs;
    return new Call({ method: method(name), metadata: [], deadlineMs, peer });
  }
  put(key: string, timeoutMs = 5_000): Promise<Status> {
    const bytes = { key: Buffer.from(key), value: Buffer.from('v') };
    const caller = new Caller();
    const call = this.#call('etcdserverpb.KV/Put', timeoutMs);
    this.upstream.unary(call, message(encodeRequest('etcdserverpb.KV/Put', bytes)), caller);
    return caller.ended();
  }
  watch(key: string): Caller {
    const caller = new Caller();
    const requests = this.upstream.stream(this.#call('etcdserverpb.Watch/Watch', Infinity), caller);
    this.#watches.push(requests);
    const create = { create_request: { key: Buffer.from(key) } };
    requests.send(message(encodeRequest('etcdserverpb.Watch/Watch', create)));
    return caller;
  }
  cancelWatches(): void {
    for (const watch of this.#watches.splice(0)) watch.cancel();
  }
  states(): string[] {
    return this.upstream.snapshot().map(({ state }) => state);
  }
  until(what: string, holds: () => boolean): Promise<void> {
    return until(() => `${what}: ${JSON.stringify(this.upstream.snapshot())}`, holds);
  }
  /** Dials all watch connections: each watch finds that those dialed so far have one. */
  async dialWatches(): Promise<void> {
    const isWatchable = () =>
      this.upstream.snapshot().every(({ connections }) => connections.watch === 1);
    const open: Caller[] = [];
    await this.until('watch connections', () => {
      if (isWatchable()) return true;
      open.push(this.watch('k'));
      return false;
    });
    this.cancelWatches();
  }
  allReady(): Promise<void> {
    return this.until('all endpoints', () => this.states().every((state) => state === 'ready'));
  }
  [Symbol.dispose](): void {
    this.upstream.close();
    expect(this.faults).toEqual([]);
  }
}

function endpoint(port: number, tls: ClientTls | null = null): EndpointConfig {
  return { name: `127.0.0.1:${port}`, address: { host: '127.0.0.1', port }, tls };
}

const portOf = (etcd: Etcd) => Number(etcd.address.split(':').at(-1));

describe('three endpoints', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster(3);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test('versions are read, and availability is reported', async () => {
    using line = new Line(cluster.members.map((member) => endpoint(portOf(member))));
    let told = 0;
    line.upstream.onAvailable(() => {
      told += 1;
    });
    await line.allReady();
    await line.until('versions', () =>
      line.upstream.snapshot().every((each) => each.version !== ''),
    );
    expect(line.upstream.snapshot()[0]?.version).toMatch(/^3\.\d+\.\d+/);
    // Once: watch and lease connections are dialed when they are needed.
    expect(told).toBe(1);
  });

  test('puts go on while one of them is down, and it is used again when it is back', async () => {
    using line = new Line(cluster.members.map((member) => endpoint(portOf(member))));
    await line.allReady();
    const leader = await cluster.leader();
    const down = cluster.members.find((member) => member !== leader);
    if (down === undefined) throw new Error('no follower');
    await down.kill();
    const index = cluster.members.indexOf(down);
    await line.until('the failure', () => line.states()[index] === 'failed');
    for (let i = 0; i < 30; i += 1) expect((await line.put(`key ${i}`)).code).toBe(Code.OK);
    // A dial while the process is dying sees a reset, and grpc-js reports another reason only when its state changes.
    await line.until('reason', () => line.upstream.snapshot()[index]?.lastError !== '');
    using later = new Line([endpoint(portOf(down))]);
    const refused = `connect ECONNREFUSED ${down.address}`;
    await later.until('refusal', () => later.upstream.snapshot()[0]?.lastError === refused);
    expect(line.upstream.snapshot()[index]).toMatchObject({ isUp: false });
    await down.restart();
    await line.allReady();
    for (let i = 0; i < 9; i += 1) expect((await line.put(`key ${i}`)).code).toBe(Code.OK);
  });

  test('watches spread over the members, and a killed one loses only its own', async () => {
    using line = new Line(cluster.members.map((member) => endpoint(portOf(member))));
    await line.allReady();
    await line.dialWatches();
    const watches = Array.from({ length: 6 }, () => line.watch('k'));
    await line.until('all watches', () => watches.every(({ messages }) => messages.length === 1));
    expect(line.upstream.snapshot().map(({ openStreams }) => openStreams.watch)).toEqual([2, 2, 2]);
    const leader = await cluster.leader();
    const victim = cluster.members.find((member) => member !== leader);
    await victim?.kill();
    const lost = () => watches.flatMap(({ status }) => status ?? []);
    await line.until('the losses', () => lost().length === 2);
    expect(lost()).toMatchObject([
      { code: Code.UNAVAILABLE, origin: 'lost' },
      { code: Code.UNAVAILABLE, origin: 'lost' },
    ]);
    await victim?.restart();
  });
});

describe('one endpoint', () => {
  test('a call that is under way when etcd dies is lost', async () => {
    await using etcd = await startEtcd();
    using line = new Line([endpoint(portOf(etcd))]);
    await line.allReady();
    etcd.pause();
    const put = line.put('k');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await etcd.kill();
    expect(await put).toMatchObject({ code: Code.UNAVAILABLE, origin: 'lost' });
    expect(await line.put('k')).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
  });

  test('a call to an etcd that hangs ends with its deadline', async () => {
    await using etcd = await startEtcd();
    using line = new Line([endpoint(portOf(etcd))]);
    await line.allReady();
    etcd.pause();
    expect(await line.put('k', 200)).toMatchObject({
      code: Code.DEADLINE_EXCEEDED,
      origin: 'proxy',
    });
    etcd.resume();
    expect((await line.put('k')).code).toBe(Code.OK);
  });

  test.each([
    [
      'responds in another protocol',
      (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n'),
    ],
    ['accepts and stays silent', () => {}],
  ])('that %s: calls end at once, with the reason at hand', async (_, onConnection) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    {
      using line = new Line([endpoint(port)]);
      expect(await line.put('k')).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
      await line.until('a reason', () => line.upstream.snapshot()[0]?.lastError !== '');
      expect(await line.put('k')).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
    }
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('TLS', () => {
  let authority: CertificateAuthority;
  let server: KeyPair;
  let client: KeyPair;
  beforeAll(() => {
    authority = new CertificateAuthority();
    server = authority.issue({ name: '/CN=etcd', alternativeNames: 'IP:127.0.0.1' });
    client = authority.issue({ name: '/O=sidecar' });
  });
  afterAll(() => authority[Symbol.dispose]());

  const tls = (pair: KeyPair | null, authorities = authority.certificate): ClientTls => ({
    authorities,
    certificate: pair?.certificate ?? null,
    key: pair?.key ?? null,
    serverName: null,
    skipVerification: false,
  });

  test('with CA and client certificate calls succeed; without either, the reason is reported', async () => {
    const { etcd, secureUrl } = await startSecureEtcd(authority, server);
    const tlsPort = Number(new URL(secureUrl).port);
    try {
      using trusted = new Line([endpoint(tlsPort, tls(client))]);
      await trusted.allReady();
      expect((await trusted.put('k')).code).toBe(Code.OK);
      using foreign = new CertificateAuthority('another authority');
      for (const [why, wrong] of [
        ['no certificate', tls(null)],
        ['another authority', tls(client, foreign.certificate)],
      ] as const) {
        using line = new Line([endpoint(tlsPort, wrong)]);
        await line.until(why, () => line.upstream.snapshot()[0]?.lastError !== '');
        expect(await line.put('k')).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
      }
    } finally {
      await etcd[Symbol.asyncDispose]();
    }
  });
});
