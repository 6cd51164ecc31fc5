/** A client of a JSON gateway, over HTTP/1.1. */
import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from 'node:http';

export interface Posted {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

// biome-ignore lint/suspicious/noExplicitAny: responses are compared, not typed.
export type Json = any;

export class JsonClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Posts to a path below `/v3/`. */
  post(path: string, body: object, headers: Record<string, string> = {}): Promise<Posted> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#open(path, headers);
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      });
      outgoing.end(JSON.stringify(body));
    });
  }

  /** Rejects unless the status is 200. */
  async call(path: string, body: object, headers: Record<string, string> = {}): Promise<Json> {
    const { status, text } = await this.post(path, body, headers);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    return JSON.parse(text);
  }

  /** Rejects if the status is 200. */
  async fails(path: string, body: object, headers: Record<string, string> = {}) {
    const { status, text, headers: received } = await this.post(path, body, headers);
    if (status === 200) throw new Error(`${path}: ${text}`);
    return { status, headers: received, body: JSON.parse(text) as Json };
  }

  /** Sends the first message, and leaves the request open. */
  async stream(path: string, first: object): Promise<JsonStream> {
    const outgoing = this.#open(path, {});
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    outgoing.on('response', resolve);
    outgoing.on('error', reject);
    outgoing.flushHeaders();
    outgoing.write(JSON.stringify(first));
    // A method with one message waits for the end of the body.
    if (!path.startsWith('watch') && !path.startsWith('lease')) outgoing.end();
    return new JsonStream(outgoing, await promise);
  }

  #open(path: string, headers: Record<string, string>): ClientRequest {
    return request(`${this.#url}/v3/${path}`, { method: 'POST', headers, agent: false });
  }
}

export class JsonStream implements AsyncDisposable {
  readonly status: number;
  readonly #outgoing: ClientRequest;
  readonly #response: IncomingMessage;
  readonly #lines: AsyncIterator<string>;

  constructor(outgoing: ClientRequest, response: IncomingMessage) {
    this.#outgoing = outgoing;
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.#lines = linesOf(response);
    outgoing.on('error', () => {});
    response.on('error', () => {});
  }

  send(message: object): void {
    this.#outgoing.write(`${JSON.stringify(message)}\n`);
  }

  /** The next line. Rejects at the end of the response. */
  async next(): Promise<Json> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the stream has ended');
    return JSON.parse(value);
  }

  /** The operating system buffers what arrives until it has no room. */
  pause(): void {
    this.#response.socket.pause();
  }

  resume(): void {
    this.#response.socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outgoing.destroy();
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const part of response) {
    const lines = `${rest}${part}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
