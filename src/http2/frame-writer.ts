/**
 * Writes frames into a connection's output. It owns the HPACK encoder, because header blocks must be sent in the order in
 * which they are encoded. It knows nothing of flow control or stream state; sender.ts and open-streams.ts do.
 */
import { Flag, FrameType, frameHeaderBytes, writeFrameHeader, writeUint32 } from './frame.ts';
import { type HeaderTemplate, HpackEncoder } from './hpack/encoder.ts';
import { limits } from './limits.ts';
import type { Output } from './output.ts';

const noPayload = Buffer.alloc(0);
const keepAlivePayload = Buffer.from('bulkhead', 'latin1');

export class FrameWriter {
  readonly output: Output;
  /** HEADERS and DATA frames written so far. It wraps, so compare it for equality only. */
  messageFrames = 0;
  /** Control frames written since the socket was last empty. */
  controlFrames = 0;
  readonly #encoder = new HpackEncoder(limits.headerTableBytesMax);

  constructor(output: Output) {
    this.output = output;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE changed. */
  setPeerTableBytes(bytes: number): void {
    this.#encoder.setPeerTableBytes(bytes);
  }

  headers(streamId: number, template: HeaderTemplate, ended: boolean): void {
    const block = this.#encoder.encode(template);
    const at = this.#startBlock(streamId, block.length, ended);
    if (at < 0) this.#split(streamId, block, ended);
    else this.output.chunk.set(block, at);
  }

  /** HEADERS with the template's block followed by `tail`, literals that use no table. */
  headersWithTail(
    streamId: number,
    template: HeaderTemplate,
    tail: Uint8Array,
    ended: boolean,
  ): void {
    const block = this.#encoder.encode(template);
    const at = this.#startBlock(streamId, block.length + tail.length, ended);
    if (at < 0) {
      this.#split(streamId, Buffer.concat([block, tail]), ended);
      return;
    }
    this.output.chunk.set(block, at);
    this.output.chunk.set(tail, at + block.length);
  }

  /** Makes room for a header block and returns its offset in the output's chunk; -1 if it is too long for one frame. */
  #startBlock(streamId: number, bytes: number, ended: boolean): number {
    this.messageFrames = (this.messageFrames + 1) | 0;
    if (bytes > limits.frameBytesMax) return -1;
    const { output } = this;
    output.reserve(frameHeaderBytes + bytes);
    const flags = ended ? Flag.END_HEADERS | Flag.END_STREAM : Flag.END_HEADERS;
    const at = writeFrameHeader(output.chunk, output.at, bytes, FrameType.HEADERS, flags, streamId);
    output.at = at + bytes;
    return at;
  }

  /** A block larger than a frame: HEADERS and CONTINUATION. END_HEADERS belongs to the last frame, END_STREAM to the first. */
  #split(streamId: number, block: Uint8Array, ended: boolean): void {
    const { output } = this;
    for (let at = 0; at < block.length; at += limits.frameBytesMax) {
      const part = block.subarray(at, at + limits.frameBytesMax);
      const isLast = at + part.length === block.length;
      const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
      const partFlags = (at === 0 && ended ? Flag.END_STREAM : 0) | (isLast ? Flag.END_HEADERS : 0);
      output.reserve(frameHeaderBytes);
      output.at = writeFrameHeader(output.chunk, output.at, part.length, type, partFlags, streamId);
      output.append(part);
    }
  }

  /** A whole DATA frame of at most `limits.frameBytesMax`. Both parts are copied. */
  data(streamId: number, lead: Uint8Array, body: Uint8Array, ended: boolean): void {
    const { output } = this;
    const bytes = lead.length + body.length;
    output.reserve(frameHeaderBytes + bytes);
    const { chunk } = output;
    const flags = ended ? Flag.END_STREAM : 0;
    let at = writeFrameHeader(chunk, output.at, bytes, FrameType.DATA, flags, streamId);
    for (let i = 0; i < lead.length; i++) chunk[at++] = lead[i] as number;
    chunk.set(body, at);
    output.at = at + body.length;
    this.messageFrames = (this.messageFrames + 1) | 0;
  }

  /** The header of a DATA frame. The caller appends `bytes` of payload to the output. */
  dataHeader(streamId: number, bytes: number, ended: boolean): void {
    const { output } = this;
    output.reserve(frameHeaderBytes);
    const flags = ended ? Flag.END_STREAM : 0;
    output.at = writeFrameHeader(output.chunk, output.at, bytes, FrameType.DATA, flags, streamId);
    this.messageFrames = (this.messageFrames + 1) | 0;
  }

  /** `streamId` 0 is the connection. */
  windowUpdate(streamId: number, bytes: number): void {
    const payload = Buffer.allocUnsafe(4);
    writeUint32(payload, 0, bytes);
    this.#control(FrameType.WINDOW_UPDATE, 0, streamId, payload);
  }

  rstStream(streamId: number, code: number): void {
    const payload = Buffer.allocUnsafe(4);
    writeUint32(payload, 0, code);
    this.#control(FrameType.RST_STREAM, 0, streamId, payload);
  }

  goAway(lastStreamId: number, code: number, text: string): void {
    const payload = Buffer.alloc(8 + text.length);
    writeUint32(payload, 0, lastStreamId);
    writeUint32(payload, 4, code);
    payload.write(text, 8, 'latin1');
    this.#control(FrameType.GOAWAY, 0, 0, payload);
  }

  settingsAck(): void {
    this.#control(FrameType.SETTINGS, Flag.ACK, 0, noPayload);
  }

  ping(): void {
    this.#control(FrameType.PING, 0, 0, keepAlivePayload);
  }

  pingAck(payload: Uint8Array): void {
    this.#control(FrameType.PING, Flag.ACK, 0, payload);
  }

  #control(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    this.controlFrames++;
    const { output } = this;
    output.reserve(frameHeaderBytes + payload.length);
    const at = writeFrameHeader(output.chunk, output.at, payload.length, type, flags, streamId);
    output.chunk.set(payload, at);
    output.at = at + payload.length;
  }
}
