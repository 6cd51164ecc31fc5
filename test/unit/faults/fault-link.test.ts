/** The TCP link of the fault matrix: each of its failures is the one that its name promises. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FaultLink } from '../../faults/fault-link.ts';
import { until } from '../../support/until.ts';

const quietMs = 100;

/** A server that returns everything, and a link to it. */
class World {
  readonly served: Socket[] = [];
  readonly #server = createServer((socket) => {
    this.served.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  #link: FaultLink | null = null;

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    this.#link = await FaultLink.to(`127.0.0.1:${port}`);
  }

  get link(): FaultLink {
    if (this.#link === null) throw new Error('not started');
    return this.#link;
  }

  async stop(): Promise<void> {
    await this.#link?.[Symbol.asyncDispose]();
    for (const socket of this.served) socket.destroy();
    this.#server.close();
  }
}

class Client {
  received = '';
  error: string | null = null;
  isClosed = false;
  readonly #socket: Socket;

  constructor(link: FaultLink) {
    const [host = '', port] = link.address.split(':');
    this.#socket = connect(Number(port), host);
    this.#socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString();
    });
    this.#socket.on('error', ({ message }) => {
      this.error = message;
    });
    this.#socket.on('close', () => {
      this.isClosed = true;
    });
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  async receives(text: string): Promise<void> {
    await until(`${text}, received ${this.received}`, () => this.received === text);
  }

  async isReset(): Promise<void> {
    await until('the end', () => this.isClosed);
    expect(this.error).toContain('ECONNRESET');
  }

  close(): void {
    this.#socket.destroy();
  }
}

let world: World;
let clients: Client[];

function dial(): Client {
  const client = new Client(world.link);
  clients.push(client);
  return client;
}

beforeEach(async () => {
  world = new World();
  clients = [];
  await world.start();
});

afterEach(async () => {
  for (const client of clients) client.close();
  await world.stop();
});

test('it carries bytes in both directions', async () => {
  const client = dial();
  client.send('hello');
  await client.receives('hello');
});

test('a delay applies to each direction and keeps the order, also when it ends', async () => {
  const client = dial();
  client.send('0');
  await client.receives('0');
  world.link.fail({ is: 'delaying', ms: 100 });
  const sentAt = performance.now();
  client.send('1');
  await client.receives('01');
  expect(performance.now() - sentAt).toBeGreaterThan(195);
  client.send('2');
  await sleep(20);
  world.link.heal();
  client.send('3');
  await client.receives('0123');
});

test('a stalled link carries nothing, loses nothing, and closes no connection', async () => {
  const client = dial();
  client.send('a');
  await client.receives('a');
  world.link.fail({ is: 'stalled' });
  client.send('b');
  const second = dial();
  second.send('c');
  await sleep(quietMs);
  expect([client.received, second.received, client.isClosed]).toEqual(['a', '', false]);
  world.link.heal();
  await client.receives('ab');
  await second.receives('c');
});

test('a link that drops responses delivers requests, and resets the connection when it heals', async () => {
  const client = dial();
  client.send('a');
  await client.receives('a');
  let atServer = '';
  world.served[0]?.on('data', (chunk: Buffer) => {
    atServer += chunk.toString();
  });
  world.link.fail({ is: 'dropping', direction: 'responses' });
  client.send('b');
  await until('b at the server', () => atServer === 'b');
  await sleep(quietMs);
  expect(client.received).toBe('a');
  world.link.heal();
  await client.isReset();
});

test('a connection is cut after the given number of bytes, and none after it arrives', async () => {
  world.link.fail({ is: 'cutting', afterBytes: () => 3 });
  const client = dial();
  client.send('hello');
  await client.isReset();
  expect(client.received.length).toBeLessThanOrEqual(3);
});

test('after a half-open failure the server has lost the connection and the client has not', async () => {
  const client = dial();
  client.send('a');
  await client.receives('a');
  const [served] = world.served;
  world.link.halfOpen();
  await until('the end at the server', () => served?.destroyed === true);
  client.send('b');
  await sleep(quietMs);
  expect([client.received, client.isClosed]).toEqual(['a', false]);
  const second = dial();
  second.send('c');
  await second.receives('c');
});

test('a black hole accepts new connections and carries the existing ones', async () => {
  const client = dial();
  client.send('a');
  await client.receives('a');
  world.link.fail({ is: 'black hole' });
  const lost = dial();
  lost.send('b');
  client.send('c');
  await client.receives('ac');
  await sleep(quietMs);
  expect([lost.received, lost.isClosed]).toEqual(['', false]);
  world.link.heal();
  await sleep(quietMs);
  expect(lost.received).toBe('');
});

test('all connections can be cut, and new ones are carried again', async () => {
  const client = dial();
  client.send('a');
  await client.receives('a');
  world.link.cut();
  await client.isReset();
  const second = dial();
  second.send('b');
  await second.receives('b');
});
