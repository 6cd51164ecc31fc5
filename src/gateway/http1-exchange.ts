/** An exchange over HTTP/1.1, on the objects of node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metadata } from '../grpc/metadata.ts';
import { metadataValue } from '../grpc/metadata.ts';
import type { Peer } from '../grpc/transport.ts';
import type { BodySink, HttpExchange } from './exchange.ts';
import type { Http1Connection } from './http1-connections.ts';
import { UnsentBytes } from './unsent-bytes.ts';

/** The rest of a body is skipped up to this length, as in Go's server, and the connection is kept. */
const skippedBytesMax = 262_144;

export class Http1Exchange implements HttpExchange {
  readonly method: string;
  readonly target: string;
  readonly headers: Metadata;
  readonly peer: Peer;
  onClose: (() => void) | null = null;
  onDrain: (() => void) | null = null;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #onFault: (fault: unknown) => void;
  readonly #unsent: UnsentBytes;
  #code = 200;
  #headers: readonly string[] = [];
  #hasHead = false;

  /**
   * `account` is that of the connection's responses. `onFault` receives an exception of the gateway, after which the exchange is
   * over.
   */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { peer, account }: Http1Connection,
    onFault: (fault: unknown) => void,
  ) {
    this.#onFault = onFault;
    this.#unsent = new UnsentBytes(account, () => this.abort());
    this.#request = request;
    this.#response = response;
    this.method = request.method ?? '';
    this.target = request.url ?? '';
    this.headers = lowerCaseNames(request.rawHeaders);
    this.peer = peer;
    response.on('close', () => {
      this.#unsent.set(0);
      this.#guard(() => this.onClose?.());
    });
    response.on('drain', () => {
      this.#unsent.set(0);
      this.#guard(() => this.onDrain?.());
    });
  }

  get hasTls(): boolean {
    return 'encrypted' in this.#request.socket;
  }

  get localAddress(): string {
    return this.#request.socket.localAddress ?? '';
  }

  header(name: string): string | undefined {
    return metadataValue(this.headers, name);
  }

  readBody(sink: BodySink): void {
    this.#request.on('data', (bytes: Buffer) => this.#guard(() => sink.onBody(bytes)));
    this.#request.on('end', () => this.#guard(() => sink.onBodyEnd()));
  }

  pauseBody(): void {
    this.#request.pause();
  }

  resumeBody(): void {
    this.#request.resume();
  }

  head(code: number, headers: readonly string[]): void {
    this.#code = code;
    this.#headers = headers;
  }

  write(bytes: string): boolean {
    if (this.#response.destroyed) return true;
    this.#writeHead([]);
    if (this.#response.write(bytes)) return true;
    this.#unsent.set(this.#response.writableLength);
    return false;
  }

  end(bytes: string): void {
    if (this.#response.destroyed) return;
    if (!this.#hasHead) {
      const close = this.#hasLongRest() ? ['Connection', 'close'] : [];
      this.#writeHead(['Content-Length', `${Buffer.byteLength(bytes)}`, ...close]);
    } else if (this.#hasLongRest()) {
      this.#response.once('finish', () => this.#request.socket.destroySoon());
    }
    this.#response.end(bytes);
    this.#unsent.set(this.#response.writableLength);
  }

  abort(): void {
    this.#request.socket.destroy();
  }

  /** Whether there is more of the request's body than it costs to skip. */
  #hasLongRest(): boolean {
    if (this.#request.complete) return false;
    if (this.header('transfer-encoding') !== undefined) return true;
    return Number(this.header('content-length') ?? '0') > skippedBytesMax;
  }

  /** An event of a socket has no caller that could handle an exception. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (fault) {
      this.#onFault(fault);
      this.abort();
    }
  }

  #writeHead(more: readonly string[]): void {
    if (this.#hasHead) return;
    this.#hasHead = true;
    this.#response.writeHead(this.#code, [...this.#headers, ...more]);
  }
}

function lowerCaseNames(rawHeaders: readonly string[]): string[] {
  const headers: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.push((rawHeaders[i] ?? '').toLowerCase(), rawHeaders[i + 1] ?? '');
  }
  return headers;
}
