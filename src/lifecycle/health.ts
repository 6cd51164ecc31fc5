/**
 * grpc.health.v1 for this process: SERVING until it drains, whatever etcd does. The layer answers both methods itself and
 * stands above identification, so that probes need no tenant. It behaves as grpc-go's own health server does
 * (https://github.com/grpc/grpc-go/blob/master/health/server.go), which is the one inside of etcd.
 */
import type { Call, Etcd, Layer, Message, Reply, Requests } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import { method } from '../etcd/methods.ts';
import { type Ongoing, settled } from '../grpc/call.ts';
import { Code, ok, type Status, status } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import type { Lifecycle, Phase } from './lifecycle.ts';

const check = method('grpc.health.v1.Health/Check');
const watch = method('grpc.health.v1.Health/Watch');

/** HealthCheckRequest.service */
const serviceField = 1;

/** HealthCheckResponse by its only field, `status`. */
const answers = {
  SERVING: new Writer().varint(1, 1).finish(),
  NOT_SERVING: new Writer().varint(1, 2).finish(),
  SERVICE_UNKNOWN: new Writer().varint(1, 3).finish(),
} as const;

const unknownService = status(Code.NOT_FOUND, 'unknown service');

export function health(lifecycle: Lifecycle): Layer<'client'> {
  return (next) => new Health(lifecycle, next);
}

class Health implements Etcd<'client'> {
  readonly #lifecycle: Lifecycle;
  readonly #next: Etcd<'client'>;

  constructor(lifecycle: Lifecycle, next: Etcd<'client'>) {
    this.#lifecycle = lifecycle;
    this.#next = next;
  }

  unary(call: Call, request: Message<'client'>, reply: Reply<'client'>): Ongoing {
    if (call.method !== check) return this.#next.unary(call, request, reply);
    const service = requestedService(request);
    if (service === null) reply.end(refusal('malformed'));
    else if (service !== wholeServer) reply.end(unknownService);
    else {
      reply.message(answerFor(this.#lifecycle));
      reply.end(ok);
    }
    return settled;
  }

  stream(call: Call, reply: Reply<'client'>): Requests<'client'> {
    if (call.method !== watch) return this.#next.stream(call, reply);
    return new HealthWatch(this.#lifecycle, reply);
  }
}

/** The only name that etcd's health server knows: the server as a whole. */
const wholeServer = '';

/** Null when the request is not protobuf. */
function requestedService(request: Uint8Array): string | null {
  const reader = new Reader(request);
  let service = wholeServer;
  while (reader.next()) {
    if (reader.field === serviceField) service = Buffer.from(reader.bytes()).toString('utf8');
  }
  return reader.malformed ? null : service;
}

function answerFor(lifecycle: Lifecycle): Uint8Array {
  return lifecycle.isReady ? answers.SERVING : answers.NOT_SERVING;
}

/** What a Watch was asked for, if it was yet. */
type Asked = 'nothing' | 'server' | 'unknown';

/** One Watch: the state at once, every change after it, and the end when the process stops. */
class HealthWatch implements Requests<'client'> {
  readonly #lifecycle: Lifecycle;
  readonly #reply: Reply<'client'>;
  readonly #unsubscribe: () => void;
  #asked: Asked = 'nothing';

  constructor(lifecycle: Lifecycle, reply: Reply<'client'>) {
    this.#lifecycle = lifecycle;
    this.#reply = reply;
    this.#unsubscribe = lifecycle.onChange((phase) => this.#onPhase(phase));
  }

  /** The method takes one request; whatever a client sends after it changes nothing. */
  message(bytes: Message<'client'>): void {
    if (this.#asked !== 'nothing') return;
    const service = requestedService(bytes);
    this.#asked = service === wholeServer ? 'server' : 'unknown';
    if (service === null) this.#over(refusal('malformed'));
    else if (this.#asked === 'server') this.#reply.message(answerFor(this.#lifecycle));
    else this.#reply.message(answers.SERVICE_UNKNOWN);
  }

  end(): void {}

  cancel(): void {
    this.#unsubscribe();
  }

  // Answers are two bytes and few: there is nothing to hold back.
  pause(): void {}

  resume(): void {}

  #onPhase(phase: Phase): void {
    if (phase === 'stopping') this.#over(refusal('draining'));
    else if (this.#asked === 'server') this.#reply.message(answerFor(this.#lifecycle));
  }

  #over(as: Status): void {
    this.#unsubscribe();
    this.#reply.end(as);
  }
}
