/**
 * A small gRPC client over Node's HTTP/2: for the calls that check and prepare, never for those that are measured. It
 * carries bytes and demands success; it is not a client library.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { grpcFrame } from './messages.ts';

export class GrpcClient {
  readonly #session: ClientHttp2Session;
  #failure: Error | null = null;

  /** `trusted` is the PEM text of a certificate authority, or null in the clear. */
  constructor(origin: string, trusted: string | null) {
    this.#session = connect(origin, trusted === null ? {} : { ca: trusted });
    // The calls in flight get it as well; a session without a listener would end the process.
    this.#session.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** Opens a call and sends one message; the request stays open. */
  open(path: string, message: Uint8Array): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.write(grpcFrame(message));
    return stream;
  }

  /** The answer to a unary call. Rejects when the status is another than OK, or there is no connection. */
  unary(path: string, message: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      const stream = this.open(path, message);
      const chunks: Buffer[] = [];
      let status: unknown = 'missing';
      let text: unknown = '';
      stream.on('response', (headers) => {
        status = headers['grpc-status'] ?? status;
        text = headers['grpc-message'] ?? text;
      });
      stream.on('trailers', (headers) => {
        status = headers['grpc-status'] ?? status;
        text = headers['grpc-message'] ?? text;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => {
        if (status === '0') {
          resolve(Buffer.concat(chunks).subarray(5));
        } else {
          reject(new Error(`${path} ended with grpc-status ${String(status)} ${String(text)}`));
        }
      });
      stream.end();
    });
  }

  close(): void {
    this.#session.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
