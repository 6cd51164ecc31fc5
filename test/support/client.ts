/**
 * A gRPC client that hides nothing: one connection of its own, no retries, no waiting for readiness beyond the first
 * dial, every code, text and trailer as it came. It speaks the definitions in proto/, or plain bytes where a test wants to
 * send what no client library would.
 */
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { methodDefinition } from './codec.ts';
import type { StreamMethods, UnaryMethods } from './messages.ts';
import { Stream } from './stream.ts';

const callWithinMs = 10_000;

export interface CallOptions {
  /** The call's deadline; 10 seconds when left out, so that no test hangs. */
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** How a call was refused. What `GrpcClient.call` rejects with. */
export class Refused extends Error {
  readonly code: number;
  readonly details: string;
  readonly trailers: Metadata;

  constructor(path: string, { code, details, metadata }: ServiceError) {
    super(`${path} ended with ${code} ${details}`);
    this.code = code;
    this.details = details;
    this.trailers = metadata;
  }
}

/** The code and text with which a call is refused. Rejects when it succeeds. */
export async function refusal(
  call: Promise<unknown>,
): Promise<{ code: number; details: string; trailers: Metadata }> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { code: error.code, details: error.details, trailers: error.trailers };
  }
  throw new Error('the call was expected to be refused, and it succeeded');
}

function toMetadata({ metadata: values = {} }: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values)) {
    metadata.set(name, name.endsWith('-bin') ? Buffer.from(value) : value);
  }
  return metadata;
}

const asIs = (bytes: Buffer): Buffer => bytes;

export class GrpcClient implements Disposable {
  readonly #client: Client;

  constructor(
    address: string,
    channelCredentials = credentials.createInsecure(),
    options: ChannelOptions = {},
  ) {
    this.#client = new Client(address, channelCredentials, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      ...options,
    });
  }

  /** A unary call. Rejects with `Refused`. */
  async call<Name extends keyof UnaryMethods>(
    name: Name,
    request: UnaryMethods[Name][0],
    options: CallOptions = {},
  ): Promise<UnaryMethods[Name][1]> {
    const definition = methodDefinition(name);
    const answer = await this.bytes(definition.path, definition.requestSerialize(request), options);
    return definition.responseDeserialize(answer) as UnaryMethods[Name][1];
  }

  /** A unary call of any path with any bytes. Rejects with `Refused`. */
  bytes(path: string, request: Buffer, options: CallOptions = {}): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const deadline = Date.now() + (options.timeoutMs ?? callWithinMs);
    const call = this.#client.makeUnaryRequest(
      path,
      asIs,
      asIs,
      request,
      toMetadata(options),
      { deadline },
      (error, answer) => {
        if (error !== null) reject(new Refused(path, error));
        else resolve(answer ?? Buffer.alloc(0));
      },
    );
    options.signal?.addEventListener('abort', () => call.cancel(), { once: true });
    return promise;
  }

  stream<Name extends keyof StreamMethods>(
    name: Name,
    options: CallOptions = {},
  ): Stream<StreamMethods[Name][0], StreamMethods[Name][1]> {
    type Request = StreamMethods[Name][0];
    type Response = StreamMethods[Name][1];
    const definition = methodDefinition(name);
    const call = this.#client.makeBidiStreamRequest<Request, Response>(
      definition.path,
      definition.requestSerialize,
      (bytes) => definition.responseDeserialize(bytes) as Response,
      toMetadata(options),
      options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs },
    );
    return new Stream(call);
  }

  /** A stream of any path with any bytes. */
  byteStream(path: string, options: CallOptions = {}): Stream<Buffer, Buffer> {
    const call = this.#client.makeBidiStreamRequest(path, asIs, asIs, toMetadata(options), {});
    return new Stream(call);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** A client of `host:port`; in plain text unless credentials for TLS are given. */
export function grpcClient(address: string, channelCredentials?: ChannelCredentials): GrpcClient {
  return new GrpcClient(address, channelCredentials);
}
