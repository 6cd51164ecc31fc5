/** HTTP/1.1 on the client port, over real connections on loopback, in front of a scripted etcd. */
import { get, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HttpGateway, type MemberReport } from '../../../src/gateway/http-gateway.ts';
import { visibleMetrics } from '../../../src/gateway/metrics.ts';
import { http1Server } from '../../../src/gateway/server.ts';
import { Code, ok, type Status, status } from '../../../src/grpc/status.ts';
import { processMetric } from '../../../src/observe/process-metrics.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { until } from '../../support/until.ts';

const peer = { listener: 'game', remote: '', certificate: null };

const empty = new Uint8Array(0);
const alarmsOf = (...kinds: number[]) => {
  const response = new Writer();
  for (const kind of kinds) response.message(2, new Writer().varint(1, 7).varint(2, kind).finish());
  return response.finish();
};

let etcd: FakeEtcd<'client'>;
/** The immediate response of each RPC. A call of an RPC without one hangs. */
let script: Map<string, { status: Status; message?: Uint8Array }>;
let members: MemberReport[];
let faults: unknown[];
let rejected: string[];
let clock: ManualClock;
let port: number;
let listener: Server;
const sockets = new Set<Socket>();

beforeEach(async () => {
  etcd = new FakeEtcd();
  script = new Map(['Alarm', 'Range'].map((rpc) => [rpc, { status: ok, message: empty }]));
  etcd.onCall = (call) => {
    const response = script.get(call.call.method.rpc);
    if (response?.message !== undefined) call.deliver(response.message);
    if (response !== undefined) call.end(response.status);
  };
  members = [{ state: 'ready', version: '3.4.23' }];
  faults = [];
  rejected = [];
  clock = new ManualClock();
  const memory = memoryOf();
  const onFault = (fault: unknown) => void faults.push(fault);
  const gateway = new HttpGateway({
    etcd,
    upstream: () => members,
    hostNames: ['etcd.example'],
    origins: ['https://pages.example'],
    processMetric,
    hasJson: true,
    memory,
    messageBytesMax: 2_097_152,
    clock,
    onRejected: (reason) => rejected.push(reason),
    onFault,
  });
  const server = http1Server(gateway, { clock, memory, onFault });
  listener = createServer((socket) => {
    sockets.add(socket);
    server.emit('connection', socket, peer);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  port = (listener.address() as AddressInfo).port;
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  listener.close();
});

interface HttpResponse {
  readonly code: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
  readonly location: string | undefined;
  readonly origin: string | undefined;
}

function request(
  path: string,
  headers: OutgoingHttpHeaders = {},
  method = 'GET',
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false };
    get(options, (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      const { statusCode: code } = response;
      const type = response.headers['content-type'];
      const { location } = response.headers;
      const origin = response.headers['access-control-allow-origin'];
      response.on('end', () => resolve({ code, type, body, location, origin }));
    }).on('error', reject);
  });
}

describe('/version', () => {
  test('has the exact text of etcd', async () => {
    expect(await request('/version')).toMatchObject({
      code: 200,
      type: 'application/json',
      body: '{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}',
    });
  });

  test('reports the oldest of several members, in numeric order', async () => {
    members = ['3.10.1', '', '3.5.9', '3.5.21', 'nonsense', '3.6.0-rc.1'].map((version) => ({
      state: 'ready',
      version,
    }));
    const { body } = await request('/version');
    expect(JSON.parse(body)).toEqual({ etcdserver: '3.5.9', etcdcluster: '3.5.0' });
  });

  test('is unavailable before a member has reported its version', async () => {
    members = [{ state: 'connecting', version: '' }];
    expect(await request('/version')).toMatchObject({ code: 503 });
  });
});

describe(() => {
  test('has the memory of the process as `etcdctl check datascale` reads it', async () => {
    const { code, type, body } = await request('/metrics');
    expect({ code, type }).toEqual({ code: 200, type: 'text/plain; version=0.0.4; charset=utf-8' });
    expect(body).toMatch(/^process_resident_memory_bytes [1-9]\d+$/m);
    expect(etcd.calls).toEqual([]);
  });

  test('has nothing that shows what tenants do', async () => {
    const { body } = await request('/metrics');
    const names = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(names.map((line) => line.split(/[ {]/)[0])).toEqual([...visibleMetrics]);
  });
});

describe('/health', () => {
  test('is true if a read as the tenant of the client succeeds', async () => {
    expect(await request('/health')).toMatchObject({ code: 200, body: '{"health":"true"}' });
    const { call, request: read } = etcd.last;
    expect(call.method.name).toBe('etcdserverpb.KV/Range');
    expect(call.peer).toBe(peer);
    expect(call.deadlineMs).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(read).toEqual(new Writer().string(1, 'health').bool(8, true).finish());
  });

  test('without a leader it is false at once, without a call', async () => {
    members = [{ state: 'no leader', version: '3.4.23' }];
    expect(await request('/health')).toMatchObject({
      code: 503,
      body: '{"health":"false","reason":"RAFT NO LEADER"}',
    });
    expect(etcd.calls).toEqual([]);
  });

  test('serializable=true needs no leader and makes a serializable read', async () => {
    members = [];
    expect(await request('/health?serializable=true')).toMatchObject({ code: 200 });
    const serializable = new Writer().string(1, 'health').bool(7, true).bool(8, true).finish();
    expect(Buffer.from(etcd.last.request)).toEqual(serializable);
  });

  test('a read that fails makes it false, with the reason', async () => {
    script.set('Range', { status: status(Code.UNAVAILABLE, 'etcdserver: request timed out') });
    expect(await request('/health')).toMatchObject({
      code: 503,
      body: '{"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}',
    });
  });

  test('it is true for a client that may not read', async () => {
    const refused = status(Code.PERMISSION_DENIED, 'etcdserver: permission denied');
    script.set('Range', { status: refused }).set('Alarm', { status: refused });
    expect(await request('/health')).toMatchObject({ code: 200 });
  });

  test('an alarm makes it false, unless it is excluded', async () => {
    script.set('Alarm', { status: ok, message: alarmsOf(1) });
    expect(await request('/health')).toMatchObject({
      code: 503,
      body: '{"health":"false","reason":"ALARM NOSPACE"}',
    });
    expect(await request('/health?exclude=NOSPACE')).toMatchObject({ code: 200 });
    script.set('Alarm', { status: ok, message: alarmsOf(1, 2) });
    expect((await request('/health?exclude=NOSPACE')).body).toContain('ALARM CORRUPT');
  });

  test('the read carries the credentials of the request', async () => {
    await request('/health', { authorization: 'Bearer x' });
    expect(etcd.last.call.metadata).toEqual(['authorization', 'Bearer x']);
  });

  test('a client that disconnects cancels the read', async () => {
    script.delete('Range');
    const pending = get({ host: '127.0.0.1', port, path: '/health', agent: false });
    pending.on('error', () => {});
    await until('the read', () => etcd.calls.length === 2);
    pending.destroy();
    await until('its cancellation', () => etcd.last.isCancelled);
  });

  test('a layer that throws affects only that request', async () => {
    etcd.onCall = () => {
      throw new Error('bug');
    };
    expect(await request('/health')).toMatchObject({ code: 500 });
    expect(faults).toHaveLength(1);
    expect(await request('/version')).toMatchObject({ code: 200 });
  });
});

describe('a client', () => {
  test.each(['/', '/v3/kv/nothing', '/v3alpha/kv/range', '/healthz'])(
    'gets 404 for %s',
    async (path) => {
      expect(await request(path)).toMatchObject({ code: 404 });
    },
  );

  test.each(['//health', '/./health', '/x/../health'])('is redirected from %s', async (path) => {
    expect(await request(path)).toMatchObject({ code: 301, location: '/health' });
  });

  test('gets 400 for a path that is not encoded correctly', async () => {
    expect(await request('/v3/%zz')).toMatchObject({ code: 400 });
  });

  test.each(['POST', 'HEAD'])('gets 405 for %s', async (verb) => {
    expect(await request('/health', {}, verb)).toMatchObject({ code: 405 });
  });

  test.each(['/health', '/v3/kv/put', '/nothing'])(
    'may ask for the OPTIONS of %s',
    async (path) => {
      expect(await request(path, {}, 'OPTIONS')).toMatchObject({ code: 200, body: '' });
    },
  );

  test('of another web page is rejected before anything is called', async () => {
    const page = { origin: 'https://evil.example' };
    for (const path of ['/version', '/v3/kv/put']) {
      expect(await request(path, page)).toMatchObject({ code: 403 });
    }
    expect(etcd.calls).toEqual([]);
  });

  test('of an allowed web page may read the response', async () => {
    const { code, origin } = await request('/version', { origin: 'https://pages.example' });
    expect({ code, origin }).toEqual({ code: 200, origin: 'https://pages.example' });
  });

  test.each(['evil.example', 'evil.example:2379', '127.0.0.1.evil.example', '10.0.0.1'])(
    'gets 421 for the host %s on a loopback address',
    async (host) => {
      expect(await request('/version', { host })).toMatchObject({ code: 421 });
    },
  );

  test.each(['localhost', 'LOCALHOST:2379', '127.0.0.1:1', '[::1]:2379', 'etcd.example:2379'])(
    'is served for the host %s',
    async (host) => {
      expect(await request('/version', { host })).toMatchObject({ code: 200 });
    },
  );

  test('with a head of one megabyte is disconnected', async () => {
    const headers = { 'x-long': 'x'.repeat(1 << 20) };
    await expect(request('/version', headers)).rejects.toThrow();
  });

  test('that sends no complete request is disconnected after a timeout', async () => {
    const silent = connect(port, '127.0.0.1').on('error', () => {});
    const dribbling = connect(port, '127.0.0.1').on('error', () => {});
    dribbling.write('GET /version HTTP/1.1\r\nhost: loc');
    await until('both connections', () => sockets.size === 2);
    clock.advance(4_000);
    dribbling.write('alhost');
    await request('/version');
    expect([silent.destroyed, dribbling.destroyed]).toEqual([false, false]);
    clock.advance(1_000);
    await until('the disconnects', () => [...sockets].filter((each) => each.destroyed).length >= 2);
  });

  test('on a persistent connection is served again, and disconnected when idle', async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    let received = '';
    socket.on('data', (bytes) => {
      received += bytes.toString();
    });
    for (const responses of [1, 2, 3]) {
      socket.write('GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n');
      await until('a response', () => received.split('HTTP/1.1 200').length === responses + 1);
      clock.advance(4_000);
    }
    clock.advance(1_001);
    await until('the end', () => socket.destroyed);
    expect(clock.pendingTimers).toBe(0);
  });
});
