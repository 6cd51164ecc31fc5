/**
 * A small gRPC client over Node's HTTP/2, for calls that check and prepare, never for measured calls. It sends and
 * receives bytes and rejects every status other than OK.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { grpcFrame } from './messages.ts';

export class GrpcClient {
  readonly #session: ClientHttp2Session;
  #failure: Error | null = null;

  /** `trusted` is the PEM text of a CA certificate, or null for a connection without TLS. */
  constructor(origin: string, trusted: string | null) {
    this.#session = connect(origin, trusted === null ? {} : { ca: trusted });
    // Calls in flight receive the error as well. Without a listener it would end the process.
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

  /** The response of a unary call. Rejects if the status is not OK, or if there is no connection. */
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
