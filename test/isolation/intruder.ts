/**
 * A malicious client: it sends any bytes to any method, and keeps every byte that it receives (messages, headers,
 * status texts and trailers), so that a test can search them for what must not be there.
 */
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import type { MethodName } from '../../src/etcd/methods.ts';
import { slowFields } from '../support/slow-rewriter.ts';

/** Also the end of a test that waits for what never comes. */
const answerWithinMs = 30_000;

const asIs = (bytes: Buffer): Buffer => bytes;

/** One call, and what was received on it so far. */
export abstract class Attempt {
  readonly messages: Buffer[] = [];
  status: Pick<StatusObject, 'code' | 'details'> | null = null;
  abstract readonly ended: Promise<void>;
  abstract send(request: Uint8Array): void;
  abstract halfClose(): void;
  abstract cancel(): void;

  get code(): number {
    return this.status?.code ?? -1;
  }

  get details(): string {
    return this.status?.details ?? '';
  }

  /** The values at that path of field numbers in all responses. */
  at(...path: readonly number[]): (bigint | Uint8Array)[] {
    return this.messages.flatMap((message) => valuesAt(message, path));
  }

  /** The same, as text of one character per byte. */
  textAt(...path: readonly number[]): string[] {
    return this.at(...path).map((value) => Buffer.from(value as Uint8Array).toString('latin1'));
  }
}

/** All values at that path, in order. An empty message has no fields, so a number that is absent has no value. */
export function valuesAt(
  message: Uint8Array,
  [field, ...rest]: readonly number[],
): (bigint | Uint8Array)[] {
  const found = slowFields(message).flatMap((f) => (f.number === field ? [f.value] : []));
  if (rest.length === 0) return found;
  return found.flatMap((value) => valuesAt(value as Uint8Array, rest));
}

/** Opens calls, one way or another. */
export interface Link extends Disposable {
  open(name: MethodName, heard: Buffer[]): Attempt;
}

class GrpcAttempt extends Attempt {
  readonly ended: Promise<void>;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;

  constructor(client: Client, name: MethodName, heard: Buffer[]) {
    super();
    const call = client.makeBidiStreamRequest(`/${name}`, asIs, asIs, new Metadata(), {
      deadline: Date.now() + answerWithinMs,
    });
    this.#call = call;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const hear = (text: unknown) => heard.push(Buffer.from(JSON.stringify(text)));
    call.on('metadata', (metadata: Metadata) => hear(metadata.toJSON()));
    call.on('data', (message: Buffer) => {
      this.messages.push(message);
      heard.push(message);
    });
    call.on('status', (status: StatusObject) => {
      hear([status.details, status.metadata.toJSON()]);
      const settle = () => {
        this.status = status;
        resolve();
      };
      if (call.readableLength === 0) settle();
      else call.once('end', settle);
    });
    call.on('error', () => {});
  }

  send(request: Uint8Array): void {
    this.#call.write(Buffer.from(request));
  }

  halfClose(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

export function grpcLink(address: string): Link {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': -1,
  });
  return {
    open: (name, heard) => new GrpcAttempt(client, name, heard),
    [Symbol.dispose]: () => client.close(),
  };
}

export class Intruder implements Disposable {
  readonly heard: Buffer[] = [];
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Sends the requests, half-closes, and resolves when the call has ended, however. */
  async ask(name: MethodName, ...requests: readonly Uint8Array[]): Promise<Attempt> {
    const attempt = this.open(name, ...requests);
    attempt.halfClose();
    await attempt.ended;
    return attempt;
  }

  /** A call that goes on. */
  open(name: MethodName, ...requests: readonly Uint8Array[]): Attempt {
    const attempt = this.#link.open(name, this.heard);
    for (const request of requests) attempt.send(request);
    return attempt;
  }

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
  }
}
