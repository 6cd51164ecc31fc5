/**
 * A separate program: opens connections with one LeaseKeepAlive stream and some leases each, renews them as etcd's client
 * library does (every third of the time to live, all leases of a connection together), and reports the latencies. It sends at
 * fixed times, whether or not earlier responses have arrived, and waits for all responses at the end. HTTP/2 is written by
 * hand, because Node's client would cost more CPU than the proxy that is measured.
 *
 * Usage: node bench/keep-alives.ts ORIGIN CONNECTIONS LEASES_PER_CONNECTION ROUNDS
 * Prints `ready` when the measured load begins, then one line of JSON: { renewed, seconds, p50Us, p99Us }.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrpcClient } from './grpc-client.ts';
import {
  grpcFrame,
  type LeaseId,
  leaseGrantRequest,
  leaseIdOf,
  leaseKeepAliveRequest,
  renewedTtlOf,
} from './messages.ts';
import { percentile } from './statistics.ts';

const ttlSeconds = 3;
const everyMs = (ttlSeconds * 1_000) / 3;
const grantsAtOnceMax = 50;
const sliceMs = 10;
const responsesWithinMs = 20_000;
const frameHeadBytes = 9;
const frame = { data: 0, headers: 1, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 };

function frameOf(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK: literal fields without indexing and without Huffman codes. */
function headerBlock(fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [
      Buffer.of(0, name.length),
      Buffer.from(name),
      Buffer.of(value.length),
      Buffer.from(value),
    ]),
  );
}

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** The preface, a window that never has to be updated, and the head of the one stream. */
function opening(authority: string): Buffer {
  const initialWindow = Buffer.concat([Buffer.of(0, 4), uint32(0x7fff_ffff)]);
  const head = headerBlock({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': '/etcdserverpb.Lease/LeaseKeepAlive',
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
    hasleader: 'true',
  });
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frameOf(frame.settings, 0, 0, initialWindow),
    frameOf(frame.windowUpdate, 0, 0, uint32(0x7fff_ffff - 65_535)),
    frameOf(frame.headers, 4, 1, head),
  ]);
}

class KeepAliveStream {
  readonly #socket: Socket;
  /** The renewals of all leases. */
  readonly #requests: Buffer;
  readonly #leases: number;
  readonly #latenciesUs: number[];
  #received: Buffer = Buffer.alloc(0);
  #data: Buffer = Buffer.alloc(0);
  renewedMs = 0;
  /** When each renewal without a response was sent, oldest first. */
  readonly #sentMs: number[] = [];

  private constructor(socket: Socket, ids: readonly LeaseId[], latenciesUs: number[]) {
    this.#socket = socket;
    const requests = ids.map((id) =>
      frameOf(frame.data, 0, 1, grpcFrame(leaseKeepAliveRequest(id))),
    );
    this.#requests = Buffer.concat(requests);
    this.#leases = ids.length;
    this.#latenciesUs = latenciesUs;
    socket.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the server has closed a connection')));
  }

  static async open(
    origin: URL,
    ids: readonly LeaseId[],
    latenciesUs: number[],
  ): Promise<KeepAliveStream> {
    const socket = connect({ host: origin.hostname, port: Number(origin.port), noDelay: true });
    await once(socket, 'connect');
    socket.write(opening(origin.host));
    return new KeepAliveStream(socket, ids, latenciesUs);
  }

  get outstanding(): number {
    return this.#sentMs.length;
  }

  renew(): void {
    const nowMs = performance.now();
    this.renewedMs = nowMs;
    for (let i = 0; i < this.#leases; i += 1) this.#sentMs.push(nowMs);
    this.#socket.write(this.#requests);
  }

  #onBytes(chunk: Buffer): void {
    const bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    let at = 0;
    while (bytes.length - at >= frameHeadBytes) {
      const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
      if (bytes.length < end) break;
      this.#onFrame(
        bytes[at + 3] ?? 0,
        bytes[at + 4] ?? 0,
        bytes.subarray(at + frameHeadBytes, end),
      );
      at = end;
    }
    this.#received = bytes.subarray(at);
  }

  #onFrame(type: number, flags: number, payload: Buffer): void {
    const isAck = (flags & 1) !== 0;
    if (type === frame.data) this.#onData(payload);
    else if (type === frame.settings && !isAck) {
      this.#socket.write(frameOf(frame.settings, 1, 0, Buffer.alloc(0)));
    } else if (type === frame.ping && !isAck)
      this.#socket.write(frameOf(frame.ping, 1, 0, payload));
    else if (type === frame.goAway || (type === frame.headers && isAck)) {
      fail(new Error(`the keepalive stream has ended: ${payload.toString('latin1')}`));
    }
  }

  #onData(payload: Buffer): void {
    let data = this.#data.length === 0 ? payload : Buffer.concat([this.#data, payload]);
    while (data.length >= 5 && data.length >= 5 + data.readUInt32BE(1)) {
      const end = 5 + data.readUInt32BE(1);
      if (renewedTtlOf(data.subarray(5, end)) <= 0) fail(new Error('a lease has expired'));
      const sentMs = this.#sentMs.shift();
      if (sentMs === undefined) fail(new Error('a response without a request'));
      else this.#latenciesUs.push((performance.now() - sentMs) * 1_000);
      data = data.subarray(end);
    }
    this.#data = data;
  }
}

function fail(error: Error): void {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

/** The connections are spread evenly over the interval. */
async function renewRounds(streams: readonly KeepAliveStream[], rounds: number): Promise<void> {
  const startMs = performance.now();
  const total = streams.length * rounds;
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, ((performance.now() - startMs) / everyMs) * streams.length);
    for (; sent < due; sent += 1) streams[sent % streams.length]?.renew();
    await sleep(sliceMs);
  }
}

async function allRenewed(streams: readonly KeepAliveStream[]): Promise<void> {
  const deadlineMs = performance.now() + responsesWithinMs;
  while (streams.some(({ outstanding }) => outstanding > 0)) {
    if (performance.now() > deadlineMs) fail(new Error('responses are missing'));
    await sleep(sliceMs);
  }
}

const [origin = '', connections = '', leases = '', rounds = ''] = process.argv.slice(2);
const latenciesUs: number[] = [];
const streams: KeepAliveStream[] = [];
const client = new GrpcClient(origin, null);

async function grant(): Promise<LeaseId> {
  const granted = await client.unary(
    '/etcdserverpb.Lease/LeaseGrant',
    leaseGrantRequest(ttlSeconds),
  );
  return leaseIdOf(granted);
}

async function open(): Promise<KeepAliveStream> {
  const ids = await Promise.all(Array.from({ length: Number(leases) }, grant));
  return await KeepAliveStream.open(new URL(origin), ids, latenciesUs);
}

// Leases must not expire while others are being granted. They are renewed one by one, because etcd needs seconds for all at
// once.
const renewing = setInterval(() => {
  const dueMs = performance.now() - everyMs;
  for (const stream of streams) if (stream.renewedMs <= dueMs) stream.renew();
}, sliceMs);
const opensAtOnceMax = Math.max(1, Math.floor(grantsAtOnceMax / Number(leases)));
for (let first = 0; first < Number(connections); first += opensAtOnceMax) {
  const count = Math.min(opensAtOnceMax, Number(connections) - first);
  const opened = await Promise.all(Array.from({ length: count }, open));
  for (const stream of opened) stream.renew();
  streams.push(...opened);
}
clearInterval(renewing);
await renewRounds(streams, 2);
await allRenewed(streams);
latenciesUs.length = 0;
process.stdout.write('ready\n');
const startMs = performance.now();
await renewRounds(streams, Number(rounds));
const seconds = (performance.now() - startMs) / 1_000;
await allRenewed(streams);
process.stdout.write(
  `${JSON.stringify({
    renewed: latenciesUs.length,
    seconds,
    p50Us: percentile(latenciesUs, 0.5),
    p99Us: percentile(latenciesUs, 0.99),
  })}\n`,
);
process.exit(0);
