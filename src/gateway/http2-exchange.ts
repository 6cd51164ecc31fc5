/** An exchange over HTTP/2 with TLS, on a stream of the proxy's own engine. */

import type { Metadata } from '../grpc/metadata.ts';
import { metadataValue } from '../grpc/metadata.ts';
import type { PlainRequest } from '../grpc/native/plain-request.ts';
import type { Peer } from '../grpc/transport.ts';
import { ErrorCode } from '../http2/frame.ts';
import { HeaderTemplate } from '../http2/hpack/encoder.ts';
import type { HeaderList } from '../http2/hpack/header-list.ts';
import type { Stream } from '../http2/stream.ts';
import { asOwned } from '../runtime/owned-bytes.ts';
import type { BodySink, HttpExchange } from './exchange.ts';

const noBytes = new Uint8Array(0);
const emptySink: BodySink = { onBody() {}, onBodyEnd() {} };

export class Http2Exchange implements HttpExchange, PlainRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Metadata;
  readonly peer: Peer;
  readonly hasTls = true;
  readonly localAddress = '';
  onClose: (() => void) | null = null;
  onDrain: (() => void) | null = null;
  readonly #stream: Stream;
  readonly #onFault: (fault: unknown) => void;
  /** Null before the body is read. */
  #sink: BodySink | null = null;
  #early: Buffer[] = [];
  #hasRequestEnded = false;
  #head: HeaderTemplate | null = null;
  #isOver = false;

  constructor(stream: Stream, head: HeaderList, peer: Peer, onFault: (fault: unknown) => void) {
    this.#stream = stream;
    this.#onFault = onFault;
    this.method = head.method;
    this.target = head.path;
    this.headers = head.authority === '' ? head.fields : ['host', head.authority, ...head.fields];
    this.peer = peer;
    // While the gateway is being loaded, at most a window arrives.
    stream.pauseReading();
  }

  header(name: string): string | undefined {
    return metadataValue(this.headers, name);
  }

  readBody(sink: BodySink): void {
    this.#sink = sink;
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) sink.onBody(bytes);
    if (this.#hasRequestEnded) sink.onBodyEnd();
    else this.#stream.resumeReading();
  }

  pauseBody(): void {
    this.#stream.pauseReading();
  }

  resumeBody(): void {
    this.#stream.resumeReading();
  }

  head(code: number, headers: readonly string[]): void {
    const fields = [':status', `${code}`];
    for (let i = 0; i < headers.length; i += 2) {
      fields.push((headers[i] ?? '').toLowerCase(), headers[i + 1] ?? '');
    }
    this.#head = new HeaderTemplate(fields, false);
  }

  write(bytes: string): boolean {
    if (this.#isOver) return true;
    this.#sendHead();
    this.#stream.sendData(noBytes, asOwned(Buffer.from(bytes)), false, true);
    return !this.#stream.mustWait();
  }

  end(bytes: string): void {
    if (this.#isOver) return;
    const body = Buffer.from(this.method === 'HEAD' ? '' : bytes);
    this.#sendHead();
    this.#stream.sendData(noBytes, asOwned(body), true, true);
    this.#close();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#stream.reset(ErrorCode.INTERNAL_ERROR);
    this.#close();
  }

  // ---- From the stream ----

  onData(bytes: Buffer): void {
    const sink = this.#sink;
    if (sink === null) this.#early.push(Buffer.from(bytes));
    else this.#guard(() => sink.onBody(bytes));
  }

  onRequestEnd(): void {
    this.#hasRequestEnded = true;
    this.#guard(() => this.#sink?.onBodyEnd());
  }

  onClosed(): void {
    if (!this.#isOver) this.#close();
  }

  onDrained(): void {
    this.#guard(() => this.onDrain?.());
  }

  #sendHead(): void {
    if (this.#head === null) return;
    this.#stream.sendHeaders(this.#head, false);
    this.#head = null;
  }

  /** From here on, nothing is sent, and the rest of the request is not read. */
  #close(): void {
    this.#isOver = true;
    this.#sink = emptySink;
    this.#guard(() => this.onClose?.());
  }

  /** An exception must not reach the connection, which has other streams. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (fault) {
      this.#onFault(fault);
      this.abort();
    }
  }
}
