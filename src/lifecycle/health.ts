/**
 * grpc.health.v1 for this process: SERVING until it drains, independent of etcd. The layer handles both methods itself. It is
 * above identification, so probes need no tenant. It behaves like grpc-go's health server, which etcd uses
 * (https://github.com/grpc/grpc-go/blob/master/health/server.go).
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
import { ForwardingCall } from '../call/forwarding.ts';
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

/** HealthCheckResponse, by the value of its only field, `status`. */
const healthResponses = {
  SERVING: healthResponse(1),
  NOT_SERVING: healthResponse(2),
  SERVICE_UNKNOWN: healthResponse(3),
} as const;
const noHead = new Uint8Array(0);

function healthResponse(servingStatus: number): Message<'client'> {
  return builtMessage(new Writer().varint(1, servingStatus).finish());
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

  unary(call: Call, request: Message<'client'>, responses: Responses<'client'>): CallHandle {
    if (call.method !== check) return this.#next.unary(call, request, responses);
    const service = requestedService(request);
    if (service === null) responses.end(refusal('malformed'));
    else if (service !== wholeServer) responses.end(unknownService);
    else {
      responses.deliverShared(noHead, responseFor(this.#lifecycle));
      responses.end(ok);
    }
    return endedCall;
  }

  stream(call: Call, responses: Responses<'client'>): Requests<'client'> {
    if (call.method !== watch) return this.#next.stream(call, responses);
    return new HealthWatch(this.#lifecycle, responses);
  }
}

/** The only service name that etcd's health server knows: the server as a whole. */
const wholeServer = '';

/** Returns null if the request is not protobuf. */
function requestedService(request: Uint8Array): string | null {
  const reader = new Reader(request);
  let service = wholeServer;
  while (reader.next()) {
    if (reader.field === serviceField) service = Buffer.from(reader.bytes()).toString('utf8');
  }
  return reader.malformed ? null : service;
}

function responseFor(lifecycle: Lifecycle): Message<'client'> {
  return lifecycle.isReady ? healthResponses.SERVING : healthResponses.NOT_SERVING;
}

/** One Watch: reports the state immediately and after each change, and ends when the process stops. */
class HealthWatch extends ForwardingCall<'client'> {
  readonly #lifecycle: Lifecycle;
  readonly #unsubscribe: () => void;
  #watched: 'none' | 'server' | 'unknown' = 'none';

  constructor(lifecycle: Lifecycle, above: Responses<'client'>) {
    super(above);
    this.#lifecycle = lifecycle;
    this.#unsubscribe = lifecycle.onChange((phase) => this.#onPhase(phase));
  }

  /** Watch takes one request. Later ones are ignored. */
  override send(request: Message<'client'>): void {
    if (this.isEnded || this.#watched !== 'none') return;
    const service = requestedService(request);
    this.#watched = service === wholeServer ? 'server' : 'unknown';
    if (service === null) this.end(refusal('malformed'));
    else if (this.#watched === 'server') this.#deliverState();
    else this.deliverShared(noHead, healthResponses.SERVICE_UNKNOWN);
  }

  override end(status: Status): void {
    this.#unsubscribe();
    super.end(status);
  }

  override cancel(): void {
    this.#unsubscribe();
    super.cancel();
  }

  #onPhase(phase: Phase): void {
    if (phase === 'stopping') this.end(refusal('draining'));
    else if (this.#watched === 'server') this.#deliverState();
  }

  #deliverState(): void {
    this.deliverShared(noHead, responseFor(this.#lifecycle));
  }
}
