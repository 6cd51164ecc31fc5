/**
 * The layer that serves grpc.health.v1 for this process: SERVING until it drains, independent of etcd. It is above identify,
 * so that probes need no tenant. It behaves like the health server of grpc-go, which etcd uses
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
import { ForwardingCall, ForwardingEtcd } from '../call/forwarding.ts';
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

/** HealthCheckResponse, by its only field `status`. */
const responseOf = {
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

class Health extends ForwardingEtcd<'client'> {
  readonly #lifecycle: Lifecycle;

  constructor(lifecycle: Lifecycle, next: Etcd<'client'>) {
    super(next);
    this.#lifecycle = lifecycle;
  }

  override unary(
    call: Call,
    request: Message<'client'>,
    responses: Responses<'client'>,
  ): CallHandle {
    if (call.method !== check) return super.unary(call, request, responses);
    const service = requestedService(request);
    if (service === null) responses.end(refusal('malformed'));
    else if (service !== wholeServer) responses.end(unknownService);
    else {
      responses.deliverShared(noHead, statusOf(this.#lifecycle));
      responses.end(ok);
    }
    return endedCall;
  }

  override stream(call: Call, responses: Responses<'client'>): Requests<'client'> {
    if (call.method !== watch) return super.stream(call, responses);
    return new HealthWatch(this.#lifecycle, responses);
  }
}

/** The only service that etcd's health server has: the server as a whole. */
const wholeServer = '';

/** Returns null if the request is not a protobuf message. */
function requestedService(request: Uint8Array): string | null {
  const reader = new Reader(request);
  let service = wholeServer;
  while (reader.next()) {
    if (reader.field === serviceField) service = Buffer.from(reader.bytes()).toString('utf8');
  }
  return reader.malformed ? null : service;
}

function statusOf(lifecycle: Lifecycle): Message<'client'> {
  return lifecycle.isReady ? responseOf.SERVING : responseOf.NOT_SERVING;
}

/** The service of a Watch call. `none` until its request has arrived. */
type WatchedService = 'none' | 'server' | 'unknown';

/** One Watch call: the current state, then every change, until the process stops. */
class HealthWatch extends ForwardingCall<'client'> {
  readonly #lifecycle: Lifecycle;
  readonly #unsubscribe: () => void;
  #service: WatchedService = 'none';

  constructor(lifecycle: Lifecycle, above: Responses<'client'>) {
    super(above);
    this.#lifecycle = lifecycle;
    this.#unsubscribe = lifecycle.onChange((phase) => this.#onPhase(phase));
  }

  /** The method takes one request. Further requests are ignored. */
  override send(request: Message<'client'>): void {
    if (this.isEnded || this.#service !== 'none') return;
    const service = requestedService(request);
    this.#service = service === wholeServer ? 'server' : 'unknown';
    if (service === null) this.end(refusal('malformed'));
    else if (this.#service === 'server') this.deliverShared(noHead, statusOf(this.#lifecycle));
    else this.deliverShared(noHead, responseOf.SERVICE_UNKNOWN);
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
    else if (this.#service === 'server') this.deliverShared(noHead, statusOf(this.#lifecycle));
  }
}
