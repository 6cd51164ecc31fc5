/**
 * The JSON gateway of the client port: etcd's API as JSON over HTTP. A request becomes a call that enters the pipeline at the
 * top, like a call of a gRPC client. Loaded with the first request.
 */
import type { Method, MethodName } from '../../etcd/methods.ts';
import { Code, status } from '../../grpc/status.ts';
import type { HttpExchange } from '../exchange.ts';
import type { JsonContext, JsonParts } from './context.ts';
import { type Dialect, dialectOf } from './dialect.ts';
import { Definitions, type MethodTypes } from './message-type.ts';
import { metadataOf, timeoutMsOf } from './request-head.ts';
import { refuse } from './responses.ts';
import { routeOf } from './routes.ts';
import { ServerStreamRequest } from './server-stream-request.ts';
import { StreamRequest } from './stream-request.ts';
import { UnaryRequest } from './unary-request.ts';

export class JsonGateway {
  readonly #parts: JsonParts;
  readonly #definitions: Definitions;
  readonly #types = new Map<MethodName, MethodTypes>();

  private constructor(parts: JsonParts, definitions: Definitions) {
    this.#parts = parts;
    this.#definitions = definitions;
  }

  static async load(parts: JsonParts): Promise<JsonGateway> {
    return new JsonGateway(parts, await Definitions.load());
  }

  /** `path` begins with `/v3/`. `minor` is the release of etcd 3 to respond like. `headers` are added. */
  serve(exchange: HttpExchange, path: string, minor: number, headers: readonly string[]): void {
    const dialect = dialectOf(minor);
    const method = routeOf(path, minor);
    if (method === null) refuseRoute(exchange, dialect, headers, 404);
    else if (verbOf(exchange) !== 'POST') refuseRoute(exchange, dialect, headers, 405);
    else this.#serve(exchange, dialect, method, headers);
  }

  #serve(
    exchange: HttpExchange,
    dialect: Dialect,
    method: Method,
    headers: readonly string[],
  ): void {
    const timeoutMs = timeoutMsOf(exchange);
    const context: JsonContext = {
      parts: this.#parts,
      exchange,
      dialect,
      method,
      types: this.#typesOf(method),
      metadata: metadataOf(exchange),
      deadlineMs: this.#parts.clock.nowMs() + (timeoutMs ?? 0),
      headers,
      account: this.#parts.memory.requestAccount(exchange.peer),
    };
    if (timeoutMs === null) {
      const text = `invalid grpc-timeout: ${exchange.header('grpc-timeout')}`;
      refuse(context, status(Code.INVALID_ARGUMENT, text));
    } else exchange.readBody(requestOf(context));
  }

  #typesOf({ name }: Method): MethodTypes {
    let types = this.#types.get(name);
    if (types === undefined) {
      types = this.#definitions.method(name);
      this.#types.set(name, types);
    }
    return types;
  }
}

function requestOf(context: JsonContext): UnaryRequest | ServerStreamRequest | StreamRequest {
  const { method } = context;
  if (method.requestStream) return new StreamRequest(context);
  return method.responseStream ? new ServerStreamRequest(context) : new UnaryRequest(context);
}

/** A form may name another verb, which no path has. */
function verbOf(exchange: HttpExchange): string {
  const isForm = exchange.header('content-type') === 'application/x-www-form-urlencoded';
  const override = exchange.header('x-http-method-override') ?? '';
  return isForm && exchange.method === 'POST' && override !== ''
    ? override.toUpperCase()
    : exchange.method;
}

const routingErrors = {
  404: { code: Code.NOT_FOUND, text: 'Not Found' },
  405: { code: Code.UNIMPLEMENTED, text: 'Method Not Allowed' },
} as const;

function refuseRoute(
  exchange: HttpExchange,
  dialect: Dialect,
  headers: readonly string[],
  httpStatus: 404 | 405,
): void {
  const error = routingErrors[httpStatus];
  if (dialect.hasJsonRoutingErrors) {
    exchange.head(dialect.httpStatus(error.code), [
      ...headers,
      ...['Content-Type', 'application/json'],
    ]);
    exchange.end(dialect.errorBody(error));
    return;
  }
  exchange.head(httpStatus, [
    ...headers,
    ...['Content-Type', 'text/plain; charset=utf-8'],
    ...['X-Content-Type-Options', 'nosniff'],
  ]);
  exchange.end(`${error.text}\n`);
}
