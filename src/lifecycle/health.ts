/**
 * grpc.health.v1 for this process: SERVING until it drains, whatever etcd does. The layer answers both methods itself and
 * stands above identification, so that probes need no tenant. It behaves as grpc-go's own health server does
 * (https://github.com/grpc/grpc-go/blob/master/health/server.go), which is the one inside of etcd.
 */
import {
  builtMessage,
  type Call,
  type Etcd,
  type Layer,
  type Message,
  type Requests,
  type Responses,
} from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import { method } from '../etcd/methods.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
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
  SERVING: statusMessage(1),
  NOT_SERVING: statusMessage(2),
  SERVICE_UNKNOWN: statusMessage(3),
} as const;
const noHead = new Uint8Array(0);

function statusMessage(status: number): Message<'client'> {
  return builtMessage(new Writer().varint(1, status).finish());
}

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

  unary(call: Call, request: Message<'client'>, reply: Responses<'client'>): CallHandle {
    if (call.method !== check) return this.#next.unary(call, request, reply);
    const service = requestedService(request);
    if (service === null) reply.end(refusal('malformed'));
    else if (service !== wholeServer) reply.end(unknownService);
    else {
      reply.deliverShared(noHead, answerFor(this.#lifecycle));
      reply.end(ok);
    }
    return endedCall;
  }

  stream(call: Call, reply: Responses<'client'>): Requests<'client'> {
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

function answerFor(lifecycle: Lifecycle): Message<'client'> {
  return lifecycle.isReady ? answers.SERVING : answers.NOT_SERVING;
}

/** What a Watch was asked for, if it was yet. */
type Asked = 'nothing' | 'server' | 'unknown';

/** One Watch: the state at once, every change after it, and the end when the process stops. */
class HealthWatch implements Requests<'client'> {
  readonly #lifecycle: Lifecycle;
  readonly #reply: Responses<'client'>;
  readonly #unsubscribe: () => void;
  #asked: Asked = 'nothing';

  constructor(lifecycle: Lifecycle, reply: Responses<'client'>) {
    this.#lifecycle = lifecycle;
    this.#reply = reply;
    this.#unsubscribe = lifecycle.onChange((phase) => this.#onPhase(phase));
  }

  /** The method takes one request; whatever a client sends after it changes nothing. */
  send(bytes: Message<'client'>): void {
    if (this.#asked !== 'nothing') return;
    const service = requestedService(bytes);
    this.#asked = service === wholeServer ? 'server' : 'unknown';
    if (service === null) this.#over(refusal('malformed'));
    else if (this.#asked === 'server')
      this.#reply.deliverShared(noHead, answerFor(this.#lifecycle));
    else this.#reply.deliverShared(noHead, answers.SERVICE_UNKNOWN);
  }

  halfClose(): void {}

  cancel(): void {
    this.#unsubscribe();
  }

  // Answers are two bytes and few: there is nothing to hold back.
  pauseResponses(): void {}

  resumeResponses(): void {}

  #onPhase(phase: Phase): void {
    if (phase === 'stopping') this.#over(refusal('draining'));
    else if (this.#asked === 'server')
      this.#reply.deliverShared(noHead, answerFor(this.#lifecycle));
  }

  #over(as: Status): void {
    this.#unsubscribe();
    this.#reply.end(as);
  }
}
