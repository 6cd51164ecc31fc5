/** A collector of traces for tests: OTLP over HTTP with JSON. It keeps the spans that it has received. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './until.ts';

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
}

interface Attribute {
  readonly key: string;
  readonly value: Value;
}

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code: number; readonly message?: string };
}

interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
  }[];
}

export const spanKind = { server: 2, client: 3 } as const;

export class TraceCollector implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  /** Of the last request. */
  resource: Readonly<Record<string, unknown>> = {};
  /** The status of the responses. */
  httpStatus = 200;
  requests = 0;
  /** The bytes of all requests, to search for what must not be there. */
  text = '';
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#receive(request, response));
  }

  static async start(port = 0): Promise<TraceCollector> {
    const collector = new TraceCollector();
    collector.#server.listen(port, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits until so many spans of a method have arrived. */
  async until(name: string, count: number): Promise<readonly ReceivedSpan[]> {
    const found = () => this.spans.filter((span) => span.name === name);
    await until(
      () => `${count} spans of ${name} in ${this.spans.map((span) => span.name).join()}`,
      () => found().length >= count,
    );
    return found();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    this.requests += 1;
    this.text += text;
    if (this.httpStatus === 200 && request.url === '/v1/traces') {
      const { resourceSpans } = JSON.parse(text) as ExportRequest;
      for (const { resource, scopeSpans } of resourceSpans) {
        this.resource = attributesOf(resource);
        for (const { spans } of scopeSpans) this.spans.push(...spans);
      }
    }
    response.writeHead(this.httpStatus, { 'content-type': 'application/json' });
    response.end('{}');
  }
}

export function attributesOf({
  attributes,
}: {
  readonly attributes: readonly Attribute[];
}): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const { stringValue, intValue, doubleValue, boolValue } = value;
      return [key, stringValue ?? doubleValue ?? boolValue ?? Number(intValue)];
    }),
  );
}
