/**
 * The cost of the engine's parts per frame, header block and stream, each compared with a straightforward implementation, and
 * their cost together per exchange: medians over many short rounds, in one process, without I/O. Run it on an idle machine:
 *
 *   node bench/micro/http2.bench.ts
 */
import { Buffer } from 'node:buffer';
import { FrameType, frameHeaderBytes, maxInt31 } from '../../src/http2/frame.ts';
import { FrameReader } from '../../src/http2/frame-reader.ts';
import { HpackDecoder } from '../../src/http2/hpack/decoder.ts';
import { HeaderTemplate, HpackEncoder, literalField } from '../../src/http2/hpack/encoder.ts';
import { limits } from '../../src/http2/limits.ts';
import { Output } from '../../src/http2/output.ts';
import { SendQueue } from '../../src/http2/send-queue.ts';
import { Stream } from '../../src/http2/stream.ts';
import { StreamTable } from '../../src/http2/stream-table.ts';
import { heading, measure } from './measure.ts';
import { frame, nullSocket, RepeatingClient, servedConnection } from './served-connection.ts';

const nothing = Buffer.alloc(0);
const replyFields = [':status', '200', 'content-type', 'application/grpc'];
const replyHead = new HeaderTemplate(replyFields, true);
const trailers = new HeaderTemplate(['grpc-status', '0'], true);
const responseBody = Buffer.alloc(20, 7);
const requestFields = [
  ...[':method', 'POST', ':scheme', 'http', ':path', '/etcdserverpb.KV/Put'],
  ...[':authority', '127.0.0.1:2379', 'content-type', 'application/grpc'],
  ...['user-agent', 'grpc-go/1.71.1', 'te', 'trailers'],
];

/** Responds to each request when it ends. */
class Responding extends Stream {
  override onHeaders(): void {}
  override onData(_: Buffer, __: number, ___: number, ended: boolean): void {
    if (!ended) return;
    this.sendHeaders(replyHead, false);
    this.sendData(nothing, responseBody, false, false);
    this.sendTrailers(trailers);
  }
  override onTrailers(): void {}
  override onReset(): void {}
  override onLost(): void {}
  override onDrained(): void {}
}

// Whole exchanges first, so that no case is measured on code that was optimized for one shape only.
const connection = servedConnection((from) => new Responding(from));
const client = new RepeatingClient(connection, requestFields, [Buffer.alloc(256, 7)]);
for (let i = 0; i < 20_000; i++) client.send();

heading('frames read: 64 of 100 B');
interface PlainFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** An object and a view per frame; an incomplete frame is concatenated with the next read. */
class PlainReader {
  readonly #onFrame: (frame: PlainFrame) => void;
  #bytes: Buffer = nothing;

  constructor(onFrame: (frame: PlainFrame) => void) {
    this.#onFrame = onFrame;
  }

  feed(chunk: Buffer): void {
    let bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (bytes.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + bytes.readUIntBE(0, 3);
      if (end > bytes.length) break;
      this.#onFrame({
        type: bytes.readUInt8(3),
        flags: bytes.readUInt8(4),
        streamId: bytes.readUInt32BE(5) & maxInt31,
        payload: bytes.subarray(frameHeaderBytes, end),
      });
      bytes = bytes.subarray(end);
    }
    this.#bytes = bytes;
  }
}

let payloadBytes = 0;
const sink = {
  onFrame(_: number, __: number, ___: number, ____: Buffer, start: number, end: number): boolean {
    payloadBytes += end - start;
    return true;
  },
  onOversizedFrame(): void {},
};
const oneFrame = frame(FrameType.DATA, 0, 1, Buffer.alloc(100, 7));
const frames = Buffer.concat(new Array<Buffer>(64).fill(oneFrame));
const reads: Buffer[] = [];
for (let at = 0; at < frames.length; at += 1_024) reads.push(frames.subarray(at, at + 1_024));
const reader = new FrameReader(sink, limits.frameBytesMax);
const borrowing = new FrameReader(sink, limits.frameBytesMax, true);
const plainReader = new PlainReader(({ payload }) => {
  payloadBytes += payload.length;
});
measure('in one read', frames.length, () => reader.feed(frames));
measure('  straightforward', frames.length, () => plainReader.feed(frames));
measure('in reads of 1 KiB', frames.length, () => {
  for (const read of reads) reader.feed(read);
});
measure('in reads of 1 KiB, borrowed', frames.length, () => {
  for (const read of reads) borrowing.feed(read);
});
measure('  straightforward', frames.length, () => {
  for (const read of reads) plainReader.feed(read);
});
if (payloadBytes % 100 !== 0) throw new Error('a frame was cut short');

heading('header blocks read: the head of a request');
const decoder = new HpackDecoder(limits.headerTableBytesMax, limits.requestHeadersBytesMax);
const clientEncoder = new HpackEncoder(limits.headerTableBytesMax);
const requestHead = new HeaderTemplate(requestFields, true);
const filling = Buffer.from(clientEncoder.encode(requestHead));
decoder.decode(filling, 0, filling.length);
const indexes = Buffer.from(clientEncoder.encode(requestHead));
// Begins with an update to the current table size, which changes nothing but prevents caching.
const unkept = Buffer.concat([Buffer.from([0x3f, 0xe1, 0x1f]), indexes]);
const timeouts = Array.from({ length: 1_000 }, (_, i) =>
  Buffer.concat([indexes, literalField('grpc-timeout', `${4_000_000 + i}u`)]),
);
let nextTimeout = 0;
function decode(block: Buffer): void {
  if (decoder.decode(block, 0, block.length) === null) throw new Error('a malformed block');
}
measure('all indexes, cached', indexes.length, () => decode(indexes));
measure('all indexes, decoded', unkept.length, () => decode(unkept));
measure('with a distinct timeout', timeouts[0]?.length ?? 0, () => {
  nextTimeout = (nextTimeout + 1) % timeouts.length;
  decode(timeouts[nextTimeout] ?? nothing);
});

heading('header blocks written: a response head');
const encoder = new HpackEncoder(limits.headerTableBytesMax);
const template = new HeaderTemplate(replyFields, true);
// The first block fills the table; the second consists of indexes and is cached.
encoder.encode(template);
const replyBytes = encoder.encode(template).length;
measure('a template', replyBytes, () => {
  encoder.encode(template);
});
measure('a new list of the same fields', replyBytes, () => {
  encoder.encode(new HeaderTemplate(replyFields, false));
});

heading('frames written: 40 B each');
const output = new Output(nullSocket());
const written = Buffer.alloc(40, 7);
let plainPieces: Buffer[] = [];
let plainBytes = 0;
measure('copied into a chunk', written.length, () => output.append(written));
measure('  straightforward: a Buffer each, concatenated', written.length, () => {
  plainPieces.push(Buffer.from(written));
  plainBytes += written.length;
  if (plainBytes < limits.turnOutputBytesMax) return;
  Buffer.concat(plainPieces);
  plainPieces = [];
  plainBytes = 0;
});

heading('streams: 1,000 are open; one opens, is looked up and closes per step');
function openStream(id: number): Responding {
  const stream = new Responding(connection.core);
  stream.id = id;
  return stream;
}
const openMax = 1_000;
const table = new StreamTable();
const map = new Map<number, Stream>();
for (let id = 1; id < 2 * openMax; id += 2) {
  table.add(openStream(id));
  map.set(id, openStream(id));
}
let tableId = 2 * openMax + 1;
let mapId = tableId;
measure('table', 0, () => {
  table.add(openStream(tableId));
  if (table.get(tableId) === undefined) throw new Error('a stream is missing');
  table.delete(tableId - 2 * openMax);
  tableId += 2;
});
measure('Map', 0, () => {
  map.set(mapId, openStream(mapId));
  if (map.get(mapId) === undefined) throw new Error('a stream is missing');
  map.delete(mapId - 2 * openMax);
  mapId += 2;
});

heading('DATA sent: a message of 20 B after a prefix of 5');
const lead = Buffer.alloc(5);
const sending = servedConnection((from) => new Responding(from));
const opened: Stream = new Responding(sending.core);
opened.id = 1;
measure('at once', 25, () => opened.sendData(lead, responseBody, false, false));
measure('through both queues', 25, () => {
  opened.queue = new SendQueue(null, opened);
  opened.queue.push(lead, responseBody, false, false);
  sending.core.sender.enqueue(opened);
});
if (opened.queue !== null) throw new Error('the window was exhausted');

heading('exchanges: HEADERS and 256 B in, HEADERS, 20 B and HEADERS out');
measure('one', client.request.length, () => client.send());
if (!connection.isOpen || connection.openStreams !== 0) throw new Error('an exchange failed');
