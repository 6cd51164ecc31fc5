/** Both roles against an engine that is not ours: Node's own, over loopback. */
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ClientConnection } from '../../../src/http2/client-connection.ts';
import { HeaderTemplate } from '../../../src/http2/hpack/encoder.ts';
import type { HeaderList } from '../../../src/http2/hpack/header-list.ts';
import { readPreface } from '../../../src/http2/preface.ts';
import { ServerConnection } from '../../../src/http2/server-connection.ts';
import { Stream } from '../../../src/http2/stream.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const nothing = Buffer.alloc(0);
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const keepAlive = { intervalMs: 10_000, timeoutMs: 5_000, whenIdle: false };
const onBug = (bug: unknown) => {
  throw bug;
};

/** Sends back what it receives, head first; pauses with the way back. */
class Echo extends Stream {
  isPaused = false;

  override onHeaders(list: HeaderList, ended: boolean): void {
    const fields = [':status', '200', 'x-path', list.path, ...list.fields];
    this.sendHeaders(new HeaderTemplate(fields, list.path === '/repeats'), ended);
  }
  override onData(bytes: Buffer, start: number, end: number, ended: boolean): void {
    this.sendData(nothing, bytes.subarray(start, end), ended);
    if (!this.mustWait()) return;
    this.isPaused = true;
    this.stopReading();
  }
  override onTrailers(list: HeaderList): void {
    this.sendTrailers(new HeaderTemplate(list.fields, false));
  }
  override onDrained(): void {
    this.isPaused = false;
    this.continueReading();
  }
  override onReset(): void {}
  override onLost(): void {}
}

async function listening(server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function echoServer(
  accept: (from: ServerConnection) => Stream = (from) => new Echo(from),
): Promise<{ port: number; connections: ServerConnection[] }> {
  const connections: ServerConnection[] = [];
  const server = createServer((socket) => {
    closers.push(() => socket.destroy());
    readPreface(socket, systemClock, {
      onHttp1: () => socket.destroy(),
      onHttp2: (_, rest) => {
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
  const session = connectHttp2(`http://127.0.0.1:${port}`);
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
  test('gets back its headers and bodies of any size', async () => {
    const { port } = await echoServer();
    const session = nodeClient(port);
    for (const size of [0, 1, 16_383, 16_384, 16_385, 65_535, 1_000_000, 10_000_000]) {
      const body = Buffer.alloc(size, size % 251);
      const answer = await request(session, { ':path': `/${size}`, 'x-size': `${size}` }, body);
      expect(answer.headers).toMatchObject({ ':status': 200, 'x-path': `/${size}` });
      expect(answer.headers['x-size']).toBe(`${size}`);
      expect(answer.body.equals(body)).toBe(true);
    }
  });

  test('sends header blocks that span frames, and that repeat', async () => {
    const { port } = await echoServer();
    const session = nodeClient(port);
    const large = 'v'.repeat(20_000);
    for (let i = 0; i < 5; i++) {
      const answer = await request(session, { ':path': '/repeats', 'x-large': large }, nothing);
      expect(answer.headers['x-large']).toBe(large);
    }
  });

  test('runs a hundred streams at once, each with its own bytes', async () => {
    const { port } = await echoServer();
    const session = nodeClient(port);
    const bodies = Array.from({ length: 100 }, (_, i) => Buffer.alloc(50_000, i));
    const answers = await Promise.all(
      bodies.map((body, i) => request(session, { ':path': `/${i}` }, body)),
    );
    expect(answers.every(({ body }, i) => body.equals(bodies[i]!))).toBe(true);
  });

  test('that stops reading stops our reading, and gets everything when it goes on', async () => {
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

  test('finishes its calls when we leave, and is told that we do', async () => {
    const { port, connections } = await echoServer();
    const session = nodeClient(port);
    const stream = session.request({ ':method': 'POST', ':path': '/last' });
    await new Promise((resolve) => stream.on('response', resolve));
    const goAways: number[] = [];
    session.on('goaway', (_, lastStreamId) => goAways.push(lastStreamId));
    connections[0]!.drain();
    const answer: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => answer.push(chunk));
    await new Promise((resolve) => setTimeout(resolve, 50));
    stream.end('still served');
    await new Promise((resolve) => stream.on('end', resolve));
    expect(Buffer.concat(answer).toString()).toBe('still served');
    expect(goAways[0]).toBe(0x7fff_ffff);
    expect(goAways[1]).toBe(1);
    await new Promise((resolve) => session.on('close', resolve));
  });
});

/** A request of ours that keeps its answer. */
class Asked extends Stream {
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
        onClosed: () => log.push('closed'),
      },
    });
  });
  return { connection, log, server };
}

function ask(connection: ClientConnection, path: string, body: Buffer): Asked {
  const stream = new Asked(connection);
  const fields = [':method', 'POST', ':scheme', 'http', ':path', path, ':authority', 'localhost'];
  connection.open(stream, new HeaderTemplate(fields, true), null, false);
  stream.sendData(nothing, body, true);
  return stream;
}

describe('memory that nobody else has', () => {
  /** More than the system takes of a connection that is not read. */
  const pieces = () => Array.from({ length: 24 }, (_, i) => Buffer.alloc(1_000_000, i + 1));
  const freed = (of: readonly Buffer[]) =>
    of.filter(({ buffer }) => buffer.byteLength === 0).length;

  /** Answers every request with the same pieces. */
  class Bulk extends Echo {
    readonly #pieces: readonly Buffer[];
    readonly #isOwn: boolean;

    constructor(connection: ServerConnection, bulk: readonly Buffer[], isOwn: boolean) {
      super(connection);
      this.#pieces = bulk;
      this.#isOwn = isOwn;
    }

    override onHeaders(): void {
      this.sendHeaders(new HeaderTemplate([':status', '200'], false), false);
      for (const piece of this.#pieces) this.sendData(nothing, piece, false, this.#isOwn);
      this.sendTrailers(new HeaderTemplate(['x-end', 'yes'], false));
    }
    override onDrained(): void {}
  }

  test('is given back when the socket has taken it, and not before', async () => {
    const own = pieces();
    const { port } = await echoServer((from) => new Bulk(from, own, true));
    const stream = nodeClient(port).request({ ':method': 'POST', ':path': '/' });
    stream.pause();
    await new Promise((resolve) => stream.once('response', resolve));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(freed(own)).toBeLessThan(own.length);
    const received: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    stream.resume();
    await new Promise((resolve) => stream.on('end', resolve));
    expect(Buffer.concat(received).equals(Buffer.concat(pieces()))).toBe(true);
    await expect.poll(() => freed(own)).toBe(own.length);
  });

  test('is left alone where somebody else may have it', async () => {
    const shared = pieces();
    const { port } = await echoServer((from) => new Bulk(from, shared, false));
    const { body } = await request(nodeClient(port), { ':path': '/' }, nothing);
    expect(body.equals(Buffer.concat(shared))).toBe(true);
    expect(freed(shared)).toBe(0);
  });

  test('does no harm when the connection breaks amid it', async () => {
    const own = pieces();
    const { port } = await echoServer((from) => new Bulk(from, own.splice(0, 12), true));
    const session = nodeClient(port);
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => {});
    stream.pause();
    await new Promise((resolve) => stream.once('response', resolve));
    session.destroy();
    await new Promise((resolve) => session.on('close', resolve));
    const { body } = await request(nodeClient(port), { ':path': '/' }, nothing);
    expect(body.equals(Buffer.concat(pieces().slice(12)))).toBe(true);
  });
});

describe("Node's server", () => {
  test('answers requests of any size with headers, body and trailers', async () => {
    const { connection } = await nodeServer((stream, headers) => {
      stream.respond(
        { ':status': 200, 'x-path': String(headers[':path']) },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
      stream.pipe(stream);
    });
    for (const size of [0, 1, 16_385, 1_000_000, 10_000_000]) {
      const asked = await ask(connection, `/${size}`, Buffer.alloc(size, 7)).done();
      expect(asked.status).toBe(200);
      expect(asked.fields).toContain(`/${size}`);
      expect(Buffer.concat(asked.body).equals(Buffer.alloc(size, 7))).toBe(true);
      expect(asked.trailers).toEqual(['x-end', 'yes']);
    }
    expect(connection.openStreams).toBe(0);
  });

  test('with a limit of streams makes the others wait for their turn', async () => {
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
    const asked = Array.from({ length: 40 }, () => ask(connection, '/', Buffer.from('b')));
    for (const each of asked) expect((await each.done()).outcome).toBe('ended');
    expect(most).toBeLessThanOrEqual(5);
  });

  test('that refuses a stream says so with the code of the RFC', async () => {
    const { connection } = await nodeServer((stream) => {
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    });
    expect((await ask(connection, '/', nothing).done()).outcome).toBe('reset 7');
  });

  test('that goes away finishes what it has, and the connection closes behind it', async () => {
    const { connection, log } = await nodeServer((stream) => {
      stream.session?.close();
      stream.respond({ ':status': 200 });
      setTimeout(() => stream.end('last words'), 20);
    });
    const asked = await ask(connection, '/', nothing).done();
    expect(Buffer.concat(asked.body).toString()).toBe('last words');
    expect(log[0]).toBe('going away 0');
    expect(connection.takesStreams).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(log).toContain('closed');
  });

  test('that breaks the connection loses its streams', async () => {
    const { connection } = await nodeServer((stream) => stream.session?.destroy());
    expect((await ask(connection, '/', nothing).done()).outcome).toMatch(/lost|unsent|reset/);
  });
});
