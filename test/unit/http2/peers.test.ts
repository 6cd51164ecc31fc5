/** Both roles against Node's own HTTP/2 implementation, over loopback. */
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { crc32 } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { ClientConnection } from '../../../src/http2/client-connection.ts';
import { HeaderTemplate } from '../../../src/http2/hpack/encoder.ts';
import type { HeaderList } from '../../../src/http2/hpack/header-list.ts';
import { readPreface } from '../../../src/http2/preface.ts';
import { ServerConnection } from '../../../src/http2/server-connection.ts';
import { Stream, type StreamConnection } from '../../../src/http2/stream.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { allocateMemory } from '../../../src/runtime/large-memory.ts';
import { FrameClient } from '../../support/frame-client.ts';
import { until } from '../../support/until.ts';

const nothing = Buffer.alloc(0);
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const keepAlive = { intervalMs: 10_000, timeoutMs: 5_000, whenIdle: false };
const onBug = (bug: unknown) => {
  throw bug;
};

/** Echoes head, DATA and trailers. Pauses reading while its send queue is full. */
class Echo extends Stream {
  isPaused = false;

  override onHeaders(list: HeaderList, ended: boolean): void {
    const fields = [':status', '200', 'x-path', list.path, ...list.fields];
    this.sendHeaders(new HeaderTemplate(fields, list.path === '/repeats'), ended);
  }
  override onData(bytes: Buffer, start: number, end: number, ended: boolean): void {
    this.sendData(nothing, bytes.subarray(start, end), ended, false);
    if (!this.mustWait()) return;
    this.isPaused = true;
    this.pauseReading();
  }
  override onTrailers(list: HeaderList): void {
    this.sendTrailers(new HeaderTemplate(list.fields, false));
  }
  override onDrained(): void {
    this.isPaused = false;
    this.resumeReading();
  }
  override onReset(): void {}
  override onLost(): void {}
}

async function listening(server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function echoServer(
  accept: (from: StreamConnection) => Stream = (from) => new Echo(from),
): Promise<{ port: number; connections: ServerConnection[] }> {
  const connections: ServerConnection[] = [];
  const server = createServer((socket) => {
    closers.push(() => socket.destroy());
    readPreface(socket, {
      onHttp1: () => socket.destroy(),
      onHttp2: (rest) => {
        const connection = new ServerConnection({
          socket,
          clock: systemClock,
          keepAlive,
          onBug,
          streamsMax: 100,
          acceptor: { accept, onClosed() {} },
        });
        connections.push(connection);
        connection.receive(rest);
      },
    });
  });
  closers.push(() => server.close());
  return { port: await listening(server), connections };
}

function nodeClient(port: number): ClientHttp2Session {
  // In MB. By default Node refuses a response while it holds a request of 10 MB that waits for a window.
  const session = connectHttp2(`http://127.0.0.1:${port}`, { maxSessionMemory: 100 });
  session.on('error', () => {});
  closers.push(() => session.destroy());
  return session;
}

function request(session: ClientHttp2Session, headers: Record<string, string>, body: Buffer) {
  return new Promise<{ headers: Record<string, unknown>; body: Buffer; trailers: unknown }>(
    (resolve, reject) => {
      const stream = session.request({ ':method': 'POST', ...headers });
      const chunks: Buffer[] = [];
      let head = {};
      let trailers = {};
      stream.on('response', (got) => {
        head = got;
      });
      stream.on('trailers', (got) => {
        trailers = got;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => resolve({ headers: head, body: Buffer.concat(chunks), trailers }));
      stream.on('error', reject);
      stream.end(body);
    },
  );
}

describe("Node's client", () => {
  test('gets its headers and bodies of any size echoed', async () => {
    const { port } = await echoServer();
    const session = nodeClient(port);
    for (const size of [0, 1, 16_383, 16_384, 16_385, 65_535, 1_000_000, 10_000_000]) {
      const body = Buffer.alloc(size, size % 251);
      const response = await request(session, { ':path': `/${size}`, 'x-size': `${size}` }, body);
      expect(response.headers).toMatchObject({ ':status': 200, 'x-path': `/${size}` });
      expect(response.headers['x-size']).toBe(`${size}`);
      expect(response.body.equals(body)).toBe(true);
    }
  });

  test('can send header blocks that span frames and repeat', async () => {
    const { port } = await echoServer();
    const session = nodeClient(port);
    const large = 'v'.repeat(20_000);
    for (let i = 0; i < 5; i++) {
      const response = await request(session, { ':path': '/repeats', 'x-large': large }, nothing);
      expect(response.headers['x-large']).toBe(large);
    }
  });

  test('gets the right bytes on each of a hundred concurrent streams', async () => {
    const { port } = await echoServer();
    const session = nodeClient(port);
    const bodies = Array.from({ length: 100 }, (_, i) => Buffer.alloc(50_000, i));
    const responses = await Promise.all(
      bodies.map((body, i) => request(session, { ':path': `/${i}` }, body)),
    );
    expect(responses.every(({ body }, i) => body.equals(bodies[i]!))).toBe(true);
  });

  test('that stops reading causes backpressure, and gets everything when it resumes', async () => {
    const { port } = await echoServer();
    const stream = nodeClient(port).request({ ':method': 'POST', ':path': '/slow' });
    let sent = 0;
    stream.pause();
    const block = Buffer.alloc(65_536, 1);
    const write = () => {
      while (sent < 20_000_000) {
        sent += block.length;
        if (!stream.write(block)) return;
      }
      stream.end();
    };
    stream.on('drain', write);
    write();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent).toBeLessThan(10_000_000);
    let received = 0;
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    stream.resume();
    await new Promise((resolve) => stream.on('end', resolve));
    expect(received).toBe(sent);
  });

  test('gets GOAWAY when the server drains, and finishes its calls', async () => {
    const { port, connections } = await echoServer();
    const session = nodeClient(port);
    const stream = session.request({ ':method': 'POST', ':path': '/last' });
    await new Promise((resolve) => stream.on('response', resolve));
    const goAways: number[] = [];
    session.on('goaway', (_, lastStreamId) => goAways.push(lastStreamId));
    connections[0]!.drain();
    const received: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    await new Promise((resolve) => setTimeout(resolve, 50));
    stream.end('still served');
    await new Promise((resolve) => stream.on('end', resolve));
    expect(Buffer.concat(received).toString()).toBe('still served');
    expect(goAways[0]).toBe(0x7fff_ffff);
    expect(goAways[1]).toBe(1);
    await new Promise((resolve) => session.on('close', resolve));
  });
});

/** A request that records its response. */
class Requested extends Stream {
  status = 0;
  fields: readonly string[] = [];
  trailers: readonly string[] = [];
  body: Buffer[] = [];
  outcome = '';
  onEnd: () => void = () => {};

  override onHeaders(list: HeaderList, ended: boolean): void {
    this.status = list.status;
    this.fields = list.fields;
    if (ended) this.#end('ended');
  }
  override onData(bytes: Buffer, start: number, end: number, ended: boolean): void {
    this.body.push(bytes.subarray(start, end));
    if (ended) this.#end('ended');
  }
  override onTrailers(list: HeaderList): void {
    this.trailers = list.fields;
    this.#end('ended');
  }
  override onReset(code: number): void {
    this.#end(`reset ${code}`);
  }
  override onLost(_: string, isUnsent: boolean): void {
    this.#end(isUnsent ? 'unsent' : 'lost');
  }
  override onDrained(): void {}
  #end(outcome: string): void {
    this.outcome ||= outcome;
    this.onEnd();
  }
  done(): Promise<this> {
    if (this.outcome !== '') return Promise.resolve(this);
    return new Promise((resolve) => {
      this.onEnd = () => resolve(this);
    });
  }
}

async function nodeServer(
  onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
  settings = {},
): Promise<{ connection: ClientConnection; log: string[]; server: Http2Server }> {
  const server = createHttp2Server({ settings });
  server.on('stream', onStream);
  server.on('session', (session) => {
    session.on('error', () => {});
    closers.push(() => session.destroy());
  });
  closers.push(() => server.close());
  const port = await listening(server);
  const log: string[] = [];
  const connection = await new Promise<ClientConnection>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    closers.push(() => socket.destroy());
    new ClientConnection({
      socket,
      clock: systemClock,
      keepAlive,
      onBug,
      owner: {
        onReady: resolve,
        onGoingAway: (_, code) => log.push(`going away ${code}`),
        onRoom: () => {},
        onClosed: () => log.push('closed'),
      },
    });
  });
  return { connection, log, server };
}

function send(connection: ClientConnection, path: string, body: Buffer): Requested {
  const stream = new Requested(connection.core);
  const fields = [':method', 'POST', ':scheme', 'http', ':path', path, ':authority', 'localhost'];
  connection.open(stream, new HeaderTemplate(fields, true), null, false);
  stream.sendData(nothing, body, true, false);
  return stream;
}

/** More than the operating system buffers for a connection that is not read. */
function ownedPieces(): Buffer[] {
  return Array.from({ length: 24 }, (_, i) => allocateMemory(1_000_000).fill(i + 1));
}

function countDetached(pieces: readonly Buffer[]): number {
  return pieces.filter(({ buffer }) => buffer.byteLength === 0).length;
}

/** Responds to every request with the same pieces. */
class Bulk extends Echo {
  readonly #pieces: readonly Buffer[];
  readonly #isOwned: boolean;

  constructor(connection: StreamConnection, pieces: readonly Buffer[], isOwned: boolean) {
    super(connection);
    this.#pieces = pieces;
    this.#isOwned = isOwned;
  }

  override onHeaders(): void {
    this.sendHeaders(new HeaderTemplate([':status', '200'], false), false);
    for (const piece of this.#pieces) this.sendData(nothing, piece, false, this.#isOwned);
    this.sendTrailers(new HeaderTemplate(['x-end', 'yes'], false));
  }
  override onDrained(): void {}
}

describe('an owned body', () => {
  test('is released when the socket has taken it, and not before', async () => {
    const owned = ownedPieces();
    const { port } = await echoServer((from) => new Bulk(from, owned, true));
    const stream = nodeClient(port).request({ ':method': 'POST', ':path': '/' });
    stream.pause();
    await new Promise((resolve) => stream.once('response', resolve));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(countDetached(owned)).toBeLessThan(owned.length);
    const received: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    stream.resume();
    await new Promise((resolve) => stream.on('end', resolve));
    expect(Buffer.concat(received).equals(Buffer.concat(ownedPieces()))).toBe(true);
    await expect.poll(() => countDetached(owned)).toBe(owned.length);
  });

  test('whose memory was not allocated for release is left alone', async () => {
    const foreign = Array.from({ length: 4 }, (_, i) => Buffer.alloc(1_000_000, i + 1));
    const { port } = await echoServer((from) => new Bulk(from, foreign, true));
    const { body } = await request(nodeClient(port), { ':path': '/' }, nothing);
    expect(body.equals(Buffer.concat(foreign))).toBe(true);
    expect(countDetached(foreign)).toBe(0);
  });

  test('does not corrupt others when its connection breaks', async () => {
    const owned = ownedPieces();
    const { port } = await echoServer((from) => new Bulk(from, owned.splice(0, 12), true));
    const session = nodeClient(port);
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => {});
    stream.pause();
    await new Promise((resolve) => stream.once('response', resolve));
    session.destroy();
    await new Promise((resolve) => session.on('close', resolve));
    const { body } = await request(nodeClient(port), { ':path': '/' }, nothing);
    expect(body.equals(Buffer.concat(ownedPieces().slice(12)))).toBe(true);
  });
});

describe('a shared body of 1 MiB', () => {
  /** In memory that could be released, so that nothing but the statement of ownership protects it. */
  function sharedBody(): Buffer {
    const body = allocateMemory(1_048_576);
    for (let i = 0; i < body.length; i++) body[i] = (i * 31) % 251;
    return body;
  }

  async function expectIntact(body: Buffer, receive: (port: number) => Promise<Buffer[]>) {
    const checksum = crc32(body);
    const { port } = await echoServer((from) => new Bulk(from, [body], false));
    const received = await receive(port);
    expect(received.map((each) => each.length)).toEqual(new Array(100).fill(1_048_576));
    expect(new Set(received.map((each) => crc32(each)))).toEqual(new Set([checksum]));
    expect(crc32(body)).toBe(checksum);
    expect(countDetached([body])).toBe(0);
  }

  test('arrives intact on 100 streams of one connection', async () => {
    await expectIntact(sharedBody(), async (port) => {
      const session = nodeClient(port);
      const responses = Array.from({ length: 100 }, () =>
        request(session, { ':path': '/' }, nothing),
      );
      return (await Promise.all(responses)).map(({ body }) => body);
    });
  });

  test('arrives intact on 100 connections', async () => {
    await expectIntact(sharedBody(), async (port) => {
      const responses = Array.from({ length: 100 }, () =>
        request(nodeClient(port), { ':path': '/' }, nothing),
      );
      return (await Promise.all(responses)).map(({ body }) => body);
    });
  });

  test('is not released when an owned body on the same stream is', async () => {
    const shared = sharedBody();
    const owned = ownedPieces();
    class Mixed extends Bulk {
      override onHeaders(): void {
        this.sendHeaders(new HeaderTemplate([':status', '200'], false), false);
        for (const piece of owned) {
          this.sendData(nothing, piece, false, true);
          this.sendData(nothing, shared, false, false);
        }
        this.sendTrailers(new HeaderTemplate(['x-end', 'yes'], false));
      }
    }
    const { port } = await echoServer((from) => new Mixed(from, [], false));
    const { body } = await request(nodeClient(port), { ':path': '/' }, nothing);
    const expected = ownedPieces().flatMap((piece) => [piece, shared]);
    expect(body.equals(Buffer.concat(expected))).toBe(true);
    await expect.poll(() => countDetached(owned)).toBe(owned.length);
    expect(countDetached([shared])).toBe(0);
  });
});

describe("Node's server", () => {
  test('responds to requests of any size with headers, body and trailers', async () => {
    const { connection } = await nodeServer((stream, headers) => {
      stream.respond(
        { ':status': 200, 'x-path': String(headers[':path']) },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.pipe(stream);
    });
    for (const size of [0, 1, 16_385, 1_000_000, 10_000_000]) {
      const requested = await send(connection, `/${size}`, Buffer.alloc(size, 7)).done();
      expect(requested.status).toBe(200);
      expect(requested.fields).toContain(`/${size}`);
      expect(Buffer.concat(requested.body).equals(Buffer.alloc(size, 7))).toBe(true);
      expect(requested.trailers).toEqual(['x-end', 'yes']);
    }
    expect(connection.openStreams).toBe(0);
  });

  test('with a stream limit makes further streams wait', async () => {
    let open = 0;
    let most = 0;
    const { connection } = await nodeServer(
      (stream) => {
        open += 1;
        most = Math.max(most, open);
        stream.on('close', () => {
          open -= 1;
        });
        setTimeout(() => {
          stream.respond({ ':status': 200 });
          stream.end('x');
        }, 2);
      },
      { maxConcurrentStreams: 5 },
    );
    const requested = Array.from({ length: 40 }, () => send(connection, '/', Buffer.from('b')));
    for (const each of requested) expect((await each.done()).outcome).toBe('ended');
    expect(most).toBeLessThanOrEqual(5);
  });

  test('that rejects a stream resets it with REFUSED_STREAM', async () => {
    const { connection } = await nodeServer((stream) => {
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    });
    expect((await send(connection, '/', nothing).done()).outcome).toBe('reset 7');
  });

  test('that sends GOAWAY finishes open streams, and then the connection closes', async () => {
    const { connection, log } = await nodeServer((stream) => {
      stream.session?.close();
      stream.respond({ ':status': 200 });
      setTimeout(() => stream.end('last words'), 20);
    });
    const requested = await send(connection, '/', nothing).done();
    expect(Buffer.concat(requested.body).toString()).toBe('last words');
    expect(log[0]).toBe('going away 0');
    expect(connection.canOpen).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(log).toContain('closed');
  });

  test('that breaks the connection ends its streams', async () => {
    const { connection } = await nodeServer((stream) => stream.session?.destroy());
    expect((await send(connection, '/', nothing).done()).outcome).toMatch(/lost|unsent|reset/);
  });
});

test('clients that send at the same time are served in several turns of the event loop if that takes long', async () => {
  let turn = 0;
  let isOver = false;
  const onImmediate = () => {
    turn += 1;
    if (!isOver) setImmediate(onImmediate);
  };
  const turns: number[] = [];
  class Slow extends Echo {
    override onHeaders(list: HeaderList, ended: boolean): void {
      turns.push(turn);
      const untilMs = performance.now() + 15;
      while (performance.now() < untilMs);
      super.onHeaders(list, ended);
    }
  }
  const { port } = await echoServer((from) => new Slow(from));
  const clients = await Promise.all(
    Array.from({ length: 3 }, () => FrameClient.connect(`127.0.0.1:${port}`)),
  );
  for (const client of clients) closers.push(() => void client[Symbol.asyncDispose]());
  await new Promise((resolve) => setTimeout(resolve, 20));
  onImmediate();
  // A late request is processed among the immediates. On a busy machine another request arrives only after them, and is
  // read at once: timers come between the two.
  const timer = setInterval(() => (turn += 1), 1);
  closers.push(() => {
    isOver = true;
    clearInterval(timer);
  });
  for (const client of clients) client.headers(1, '/x');
  await until('all requests', () => turns.length === 3);
  expect(new Set(turns).size).toBe(3);
});
