/** Bounds and ends of JSON requests, over connections on loopback, in front of a scripted etcd. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HttpGateway } from '../../../../src/gateway/http-gateway.ts';
import { convertedBytesMax } from '../../../../src/gateway/json/responses.ts';
import { http1Server } from '../../../../src/gateway/server.ts';
import type { ClientConnections } from '../../../../src/grpc/connections/client-connections.ts';
import type { MessageMemory } from '../../../../src/grpc/message-memory.ts';
import { Code, ok, status } from '../../../../src/grpc/status.ts';
import { Writer } from '../../../../src/protobuf/writer.ts';
import { connectionsOf } from '../../../support/client-connections.ts';
import { decodeRequest } from '../../../support/codec.ts';
import { FakeEtcd } from '../../../support/fake-etcd.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { memoryOf } from '../../../support/message-memory.ts';
import { until } from '../../../support/until.ts';

const messageBytesMax = 100_000;

let etcd: FakeEtcd<'client'>;
let faults: unknown[];
let rejected: string[];
let clock: ManualClock;
let memory: MessageMemory;
let listener: Server;
let version: string;
let limits: ClientConnections;
const sockets = new Set<Socket>();

beforeEach(async () => {
  etcd = new FakeEtcd();
  faults = [];
  rejected = [];
  version = '3.6.1';
  clock = new ManualClock();
  limits = connectionsOf({ clock });
  memory = memoryOf({ clock, bytesMax: 900_000 });
  const onFault = (fault: unknown) => void faults.push(fault);
  const gateway = new HttpGateway({
    etcd,
    upstream: () => [{ state: 'ready', version }],
    hostNames: [],
    origins: [],
    processMetric: async () => '',
    hasJson: true,
    memory,
    messageBytesMax,
    clock,
    onRejected: (reason) => rejected.push(reason),
    onFault,
  });
  const server = http1Server(gateway, { clock, memory, onFault });
  listener = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const place = limits.admit(socket, 'game');
    if (place?.openedHttp1(() => 0) !== true) throw new Error('the connection has no place');
    server.emit('connection', socket, { listener: 'game', remote: '', certificate: null, place });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  listener.close();
  expect(faults).toEqual([]);
});

/** A connection that sends one request in pieces. */
class Client {
  received = '';
  hasEnded = false;
  readonly #socket: Socket;

  constructor(path: string, headers: string, version = '1.1') {
    const { port } = listener.address() as AddressInfo;
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.hasEnded = true;
    });
    this.#socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1');
    });
    this.#socket.write(`POST ${path} HTTP/${version}\r\nhost: localhost\r\n${headers}\r\n\r\n`);
  }

  send(bytes: string): void {
    this.#socket.write(bytes);
  }

  chunk(text: string): void {
    this.send(`${text.length.toString(16)}\r\n${text}\r\n`);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  disconnect(): void {
    this.#socket.destroy();
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.received)?.[1] ?? 0);
  }

  async responds(status: number): Promise<void> {
    await until('a response', () => this.status !== 0);
    expect(this.status).toBe(status);
  }
}

const chunked = 'transfer-encoding: chunked';
const put = '/v3/kv/put';

/** Clients whose bodies are incomplete and together larger than the memory for requests. Some of them were refused. */
async function fillRequests(): Promise<Client[]> {
  const clients = Array.from({ length: 12 }, () => new Client(put, chunked));
  for (const client of clients) client.chunk(`{"value":"${'a'.repeat(40_000)}`);
  await until('a refusal', () => rejected.includes('message-memory'));
  return clients;
}

/** A response whose conversion to JSON throws, like one that is too long for a string. */
function brokenResponse(): Uint8Array {
  const message = Uint8Array.of(1);
  const get = () => {
    throw new RangeError('Invalid string length');
  };
  return Object.defineProperty(message, 'buffer', { get });
}

/** Until the proxy has read what clients have sent: other connections were served since. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const other = new Client('/version', 'connection: close\r\ncontent-length: 0');
    await until('the other client', () => other.hasEnded);
  }
}

function post(path: string, body: string): Client {
  const client = new Client(path, `content-length: ${body.length}`);
  client.send(body);
  return client;
}

describe('a unary request', () => {
  test('is one call with the message, the metadata and the deadline', async () => {
    const body = '{"key":"YQ=="}';
    const headers = [
      `content-length: ${body.length}`,
      'authorization: Bearer t',
      'Grpc-Metadata-Hasleader: true',
      'grpc-timeout: 5S',
      'x-other: z',
    ];
    const client = new Client(put, headers.join('\r\n'));
    client.send(body);
    await until('the call', () => etcd.calls.length === 1);
    const { call, request } = etcd.last;
    expect(call.method.name).toBe('etcdserverpb.KV/Put');
    expect(call.metadata).toEqual(['authorization', 'Bearer t', 'hasleader', 'true']);
    expect(call.authority).toBe('localhost');
    expect(call.deadlineMs).toBe(clock.nowMs() + 5_000);
    expect(decodeRequest('etcdserverpb.KV/Put', request)).toMatchObject({ key: Buffer.from('a') });
    etcd.last.deliver(new Writer().message(1, new Writer().varint(3, 7).finish()).finish());
    etcd.last.end(ok);
    await client.responds(200);
    await until('the body', () => client.received.endsWith('{"header":{"revision":"7"}}'));
  });

  test('byte by byte is the same call', async () => {
    const client = new Client(put, chunked);
    for (const byte of '{"key":"YQ=="}') client.chunk(byte);
    client.chunk('');
    await until('the call', () => etcd.calls.length === 1);
    expect(Buffer.from(etcd.last.request)).toEqual(Buffer.from([10, 1, 97]));
  });

  test('of a client that disconnects is cancelled', async () => {
    const client = post(put, '{"key":"YQ=="}');
    await until('the call', () => etcd.calls.length === 1);
    client.disconnect();
    await until('the cancellation', () => etcd.last.isCancelled);
  });

  test('that is too large is rejected before it has arrived, and frees its memory', async () => {
    const client = new Client(put, chunked);
    const piece = 'a'.repeat(10_000);
    client.chunk(`{"value":"${piece}`);
    await until('the first piece', () => sockets.size === 1);
    for (let i = 0; i < 25; i++) client.chunk(piece);
    await client.responds(429);
    expect(memory.requests.bytes).toBe(0);
    expect(rejected).toEqual(['message-too-large']);
    expect(etcd.calls).toEqual([]);
    await until('the disconnect', () => client.hasEnded);
  });

  test('that does not arrive is rejected after a timeout, and its bytes count until then', async () => {
    const client = new Client(put, chunked);
    for (let i = 0; i < 3; i++) client.chunk(`${i === 0 ? '{"value":"' : ''}${'a'.repeat(10_000)}`);
    await until('the bytes', () => memory.requests.bytes >= 30_000);
    clock.advance(30_000);
    await client.responds(504);
    expect(memory.requests.bytes).toBe(0);
    expect(rejected).toEqual(['body-timeout']);
  });

  test('is rejected if there is no memory for it', async () => {
    const clients = Array.from({ length: 12 }, () => new Client(put, chunked));
    for (const client of clients) {
      client.chunk(`{"value":"${'a'.repeat(20_000)}`);
      client.chunk('a'.repeat(20_000));
    }
    await until('the refusals', () => rejected.length > 0);
    await until('a response', () => clients.some((client) => client.status === 429));
    expect(new Set(rejected)).toEqual(new Set(['message-memory']));
    expect(memory.requests.bytes).toBeLessThanOrEqual(memory.requests.bytesMax);
    for (const client of clients) client.disconnect();
    await until('the memory', () => memory.requests.bytes === 0);
  });

  test('is not refused for memory once its call has started, and counts until the end', async () => {
    const value = 'A'.repeat(80_000);
    const client = post(put, `{"key":"YQ==","value":"${value}"}`);
    await until('the call', () => etcd.calls.length === 1);
    const counted = memory.requests.bytes;
    expect(counted).toBeGreaterThanOrEqual(60_000);
    expect(counted).toBeLessThan(90_000);
    const others = await fillRequests();
    expect(client.received).toBe('');
    for (const other of others) other.disconnect();
    await until('the memory', () => memory.requests.bytes === counted);
    etcd.last.respond(Buffer.alloc(0));
    await client.responds(200);
    expect(memory.requests.bytes).toBe(0);
  });

  test('whose body is much longer than its message counts the message', async () => {
    post(put, `{"key":"YQ==","unknown":"${'A'.repeat(80_000)}"}`);
    await until('the call', () => etcd.calls.length === 1);
    expect([...etcd.last.request]).toEqual([10, 1, 97]);
    expect(etcd.last.request.buffer.byteLength).toBeLessThan(20_000);
    expect(memory.requests.bytes).toBe(0);
  });

  test('above its deadline is rejected and cancelled', async () => {
    const body = '{}';
    const client = new Client(put, `content-length: 2\r\ngrpc-timeout: 1S`);
    client.send(body);
    await until('the call', () => etcd.calls.length === 1);
    clock.advance(1_000);
    await client.responds(504);
    expect(etcd.last.isCancelled).toBe(true);
  });

  test('whose client does not read its response counts until the client reads', async () => {
    const client = post('/v3/kv/range', '{"key":"YQ=="}');
    client.pause();
    await until('the call', () => etcd.calls.length === 1);
    const value = Buffer.alloc(8_000_000, 'v');
    etcd.last.deliver(new Writer().message(2, new Writer().bytes(5, value).finish()).finish());
    etcd.last.end(ok);
    await until('the bytes', () => memory.responses.bytes > 0);
    client.resume();
    await until('the rest', () => memory.responses.bytes === 0);
    client.disconnect();
  });

  test('whose client never reads is disconnected if others need the memory', async () => {
    const clients = Array.from({ length: 3 }, () => post('/v3/kv/range', '{"key":"YQ=="}'));
    for (const client of clients) client.pause();
    await until('the calls', () => etcd.calls.length === 3);
    const value = Buffer.alloc(6_000_000, 'v');
    for (const call of etcd.calls) {
      call.deliver(new Writer().message(2, new Writer().bytes(5, value).finish()).finish());
      call.end(ok);
    }
    const open = () => [...sockets].filter((socket) => !socket.destroyed).length;
    await until('the refusals', () => open() < 3);
  });

  test('gets the status of the call, as the release of etcd writes it', async () => {
    const refused = status(Code.FAILED_PRECONDITION, 'etcdserver: <lease>', 'peer');
    const bodies: Record<string, [number, string]> = {
      '3.4.1': [
        412,
        '{"error":"etcdserver: \\u003clease\\u003e","message":"etcdserver: \\u003clease\\u003e","code":9}',
      ],
      '3.5.1': [
        400,
        '{"error":"etcdserver: \\u003clease\\u003e","code":9,"message":"etcdserver: \\u003clease\\u003e"}',
      ],
      '3.8.0': [400, '{"code":9,"message":"etcdserver: <lease>"}'],
    };
    for (const [release, [code, expected]] of Object.entries(bodies)) {
      version = release;
      clock.advance(1_000);
      const calls = etcd.calls.length;
      const client = post(put, '{}');
      await until('the call', () => etcd.calls.length > calls);
      etcd.last.end(refused);
      await client.responds(code);
      await until('the body', () => client.received.endsWith(expected));
    }
  });

  test('whose call throws ends its connection and nothing else', async () => {
    etcd.onCall = () => {
      throw new Error('bug');
    };
    const client = post(put, '{}');
    await until('the end', () => client.hasEnded);
    expect(faults.splice(0)).toHaveLength(1);
    etcd.onCall = (call) => call.end(ok);
    await post(put, '{}').responds(500);
  });
});

describe('a response', () => {
  const observe = '/v3/election/observe';

  test('of a unary call that cannot be converted ends the connection', async () => {
    const client = new Client('/v3/kv/range', 'content-length: 2\r\ngrpc-timeout: 1000H');
    client.send('{}');
    await until('the call', () => etcd.calls.length === 1);
    etcd.last.respond(brokenResponse());
    await until('the end', () => client.hasEnded);
    expect(client.received).toBe('');
    expect(faults.splice(0)).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test('of a stream that cannot be converted ends the connection and the call', async () => {
    const client = post(observe, '{}');
    await until('the call', () => etcd.calls.length === 1);
    etcd.last.deliver(new Uint8Array(0));
    etcd.last.deliver(brokenResponse());
    await until('the end', () => client.hasEnded);
    expect(etcd.last.isCancelled).toBe(true);
    expect(client.received).not.toContain('error');
    expect(faults.splice(0)).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([
    ['cannot be converted', brokenResponse()],
    ['is not a message', Uint8Array.of(255)],
  ])('that %s ends the stream that is being started', async (_name, message) => {
    etcd.onCall = (call) => call.deliver(message);
    const client = post(observe, '{}');
    await until('the end', () => client.hasEnded || client.status === 500);
    expect(etcd.last.isCancelled).toBe(true);
    faults = [];
  });

  test.each(['/v3/kv/range', observe])('of more than 256 MiB is refused: %s', async (path) => {
    const client = post(path, '{}');
    await until('the call', () => etcd.calls.length === 1);
    etcd.last.deliver(new Uint8Array(convertedBytesMax + 1));
    if (path !== observe) etcd.last.end(ok);
    await client.responds(429);
    expect(client.received).toContain('Grpc-Metadata-Etcd-Bulkhead-Reason: message-memory');
    expect(etcd.last.isCancelled).toBe(path === observe);
    expect(memory.responses.refusals).toBe(1);
  });
});

describe('a pipelined request', () => {
  const head = (path: string, headers: string) =>
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n\r\n`;
  const putOf = (key: string) => `${head(put, 'content-length: 14')}{"key":"${key}"}`;
  const responsesOf = (client: Client) => client.received.split('HTTP/1.1 200').length - 1;

  test('is served when the previous response is complete', async () => {
    const client = post(put, `{"key":"YQ=="}`);
    client.send(putOf('Yg==') + putOf('Yw=='));
    for (const [i, key] of ['a', 'b', 'c'].entries()) {
      await until('the call', () => etcd.calls.length > i);
      await settled();
      expect(etcd.calls).toHaveLength(i + 1);
      expect(decodeRequest('etcdserverpb.KV/Put', etcd.last.request)).toMatchObject({
        key: Buffer.from(key),
      });
      etcd.last.respond(new Uint8Array(0));
      await until('the response', () => responsesOf(client) === i + 1);
    }
    clock.advance(5_000);
    await until('the disconnect of an idle connection', () => client.hasEnded);
    expect(clock.pendingTimers).toBe(0);
  });

  test('that is a stream stays open', async () => {
    const client = post(put, '{"key":"YQ=="}');
    client.send(head('/v3/watch', chunked));
    client.chunk('{"create_request":{"key":"YQ=="}}');
    await until('the put', () => etcd.calls.length === 1);
    await settled();
    etcd.last.respond(new Uint8Array(0));
    await until('the watch', () => etcd.calls.length === 2);
    clock.advance(60_000);
    etcd.last.deliver(new Uint8Array(0));
    await until('a result', () => client.received.includes('{"result":{}}'));
    expect(etcd.last.isCancelled).toBe(false);
    client.disconnect();
    await until('the cancellation', () => etcd.last.isCancelled);
  });

  test('is not served for a client that has disconnected', async () => {
    const client = post(put, '{"key":"YQ=="}');
    client.send(putOf('Yg=='));
    await until('the call', () => etcd.calls.length === 1);
    await settled();
    client.disconnect();
    await until('the cancellation', () => etcd.calls[0]?.isCancelled === true);
    await settled();
    expect(etcd.calls).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test('beyond 32 that wait closes the connection', async () => {
    const client = post(put, '{"key":"YQ=="}');
    client.send(putOf('Yg==').repeat(32));
    await until('the call', () => etcd.calls.length === 1);
    await settled();
    expect(client.hasEnded).toBe(false);
    client.send(putOf('Yg=='));
    await until('the end', () => client.hasEnded);
    await until('the cancellation', () => etcd.last.isCancelled);
    expect(etcd.calls).toHaveLength(1);
    expect([...limits.reached]).toEqual([['pipelined', 1]]);
  });
});

describe('a stream with one request', () => {
  const observe = '/v3/election/observe';

  test('is not refused for memory once its call has started', async () => {
    const client = post(observe, `{"name":"${'A'.repeat(80_000)}"}`);
    await until('the call', () => etcd.calls.length === 1);
    expect(etcd.last.isHalfClosed).toBe(true);
    expect(etcd.last.call.authority).toBe('localhost');
    expect(memory.requests.bytes).toBe(0);
    etcd.last.deliver(new Uint8Array(0));
    await until('the result', () => client.received.includes('{"result":{}}'));
    await fillRequests();
    etcd.last.deliver(new Uint8Array(0));
    await until('the next one', () => client.received.split('{"result":{}}').length === 3);
    expect(client.received.split('HTTP/1.1 ')).toHaveLength(2);
    expect(client.received).not.toContain('error');
    client.disconnect();
    await until('the cancellation', () => etcd.last.isCancelled);
  });
});

describe('a stream', () => {
  const create = '{"create_request":{"key":"YQ=="}}';

  test('sends each value when it is complete, and half-closes at the end', async () => {
    const client = new Client('/v3/watch', chunked);
    client.chunk(create.slice(0, 10));
    client.chunk(`${create.slice(10)}\n`);
    await until('the call', () => etcd.calls.length === 1);
    expect(etcd.last.requests).toHaveLength(1);
    expect(etcd.last.call.authority).toBe('localhost');
    client.chunk(`${create}${create}`);
    await until('the others', () => etcd.last.requests.length === 3);
    client.chunk('');
    await until('the end', () => etcd.last.isHalfClosed);
  });

  test('that does not read pauses its call, and continues', async () => {
    const client = new Client('/v3/watch', chunked);
    client.chunk(create);
    await until('the call', () => etcd.calls.length === 1);
    client.pause();
    const event = new Writer().message(11, Buffer.alloc(0)).string(6, 'x'.repeat(100_000)).finish();
    await until('the pause', () => {
      if (!etcd.last.isPaused) etcd.last.deliver(event);
      return etcd.last.isPaused;
    });
    client.resume();
    await until('the rest', () => !etcd.last.isPaused);
  });

  test('that never sends a whole message is rejected after a timeout', async () => {
    const client = new Client('/v3/watch', chunked);
    client.chunk('{"create_request":{');
    await until('the bytes', () => sockets.size === 1);
    await until('the gateway', () => clock.pendingTimers > 0);
    clock.advance(30_000);
    await client.responds(504);
    expect(etcd.calls).toEqual([]);
  });

  test('with one message that is too large is rejected', async () => {
    const client = new Client('/v3/watch', chunked);
    client.chunk('{"x":"');
    for (let i = 0; i < 25; i++) client.chunk('a'.repeat(10_000));
    await client.responds(429);
    expect(memory.requests.bytes).toBe(0);
  });

  test('with many messages is not limited', async () => {
    const client = new Client('/v3/watch', chunked);
    const values = `${create}\n`.repeat(100);
    for (let i = 0; i < 100; i++) client.chunk(values);
    await until('all', () => etcd.calls.length === 1 && etcd.last.requests.length === 10_000);
    expect(memory.requests.bytes).toBe(0);
  });

  test('of a client that disconnects is cancelled', async () => {
    const client = new Client('/v3/watch', chunked);
    client.chunk(create);
    await until('the call', () => etcd.calls.length === 1);
    client.disconnect();
    await until('the cancellation', () => etcd.last.isCancelled);
  });

  test('reports an error in its last line', async () => {
    const client = new Client('/v3/watch', chunked);
    client.chunk(create);
    await until('the call', () => etcd.calls.length === 1);
    etcd.last.deliver(new Writer().bool(3, true).finish());
    etcd.last.end(status(Code.UNAVAILABLE, 'etcdserver: server stopped'));
    const lines = '{"result":{"created":true}}\n';
    await until('the error', () => client.received.includes('"error"'));
    expect(client.received).toContain(lines);
    expect(client.received).toContain(
      '{"error":{"code":14,"message":"etcdserver: server stopped"}}\n',
    );
    await until('the end', () => client.hasEnded);
  });
});
