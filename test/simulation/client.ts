/** One watch stream of a simulated client: sends requests, applies backpressure, and records what it observes. */
import type { Message, Requests, Responses } from '../../src/call/call.ts';
import type { Status } from '../../src/grpc/status.ts';
import type { Seeded } from '../support/seeded.ts';
import type { Connection } from './connection.ts';
import {
  type Moment,
  type ObservedRequest,
  type ObservedStream,
  ObservedWatch,
} from './observation.ts';
import type { SimulatedTime } from './simulated-time.ts';
import { type CreateSpec, decodeResponse, encodeRequest, type WatchRequest } from './wire.ts';

export interface ClientOptions {
  readonly observed: ObservedStream;
  readonly connection: Connection;
  readonly time: SimulatedTime;
  readonly random: Seeded;
  /** Chance per response that the client applies backpressure. */
  readonly slowness: number;
  /** Chance per response that the client cancels a watch or disconnects while it is delivered. */
  readonly fragility: number;
  readonly moment: () => Moment;
  readonly onViolation: (what: string) => void;
}

export class Client implements Responses<'tenant'> {
  readonly observed: ObservedStream;
  isPaused = false;
  readonly #options: ClientOptions;
  #requests: Requests<'tenant'> | null = null;
  #isQuiet = false;
  #isHalfClosed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.observed = options.observed;
  }

  open(start: (responses: Responses<'tenant'>) => Requests<'tenant'>): void {
    this.#requests = start(this);
  }

  get #canSend(): boolean {
    return this.observed.isOpen && !this.#isHalfClosed;
  }

  // ---- Requests ----

  create(create: CreateSpec): void {
    if (!this.#canSend) return;
    const request = this.#record('create', create, 0);
    const watch = new ObservedWatch(request);
    this.observed.watches.push(watch);
    this.observed.creating.push(watch);
    this.#send({ kind: 'create', create });
  }

  cancelWatch(watchId: number): void {
    if (!this.#canSend) return;
    this.#record('cancel', null, watchId);
    this.#send({ kind: 'cancel', watchId });
  }

  requestProgress(): void {
    if (!this.#canSend) return;
    this.#record('progress', null, 0);
    this.#send({ kind: 'progress' });
  }

  halfClose(): void {
    if (!this.#canSend) return;
    this.#isHalfClosed = true;
    this.#requests?.halfClose();
  }

  pause(forMs: number): void {
    if (this.isPaused || !this.observed.isOpen || this.#isQuiet) return;
    this.isPaused = true;
    this.#requests?.pauseResponses();
    this.#options.time.after(forMs, () => this.resume());
  }

  resume(): void {
    if (!this.isPaused || !this.observed.isOpen) return;
    this.isPaused = false;
    this.#requests?.resumeResponses();
  }

  /** The client disconnects. */
  cancel(): void {
    if (!this.observed.isOpen) return;
    this.observed.isCancelled = true;
    this.#requests?.cancel();
  }

  /** From here on the client takes everything at once. */
  calm(): void {
    this.#isQuiet = true;
    this.resume();
  }

  #record(
    kind: ObservedRequest['kind'],
    create: CreateSpec | null,
    watchId: number,
  ): ObservedRequest {
    const request = { kind, moment: this.#options.moment(), create, watchId };
    this.observed.requests.push(request);
    return request;
  }

  #send(request: WatchRequest): void {
    this.#requests?.send(encodeRequest(request) as Message<'tenant'>);
  }

  // ---- Responses ----

  deliver(message: Uint8Array): void {
    const { observed } = this;
    const { connection, moment, random, slowness, fragility, onViolation } = this.#options;
    if (!observed.isOpen) {
      onViolation(`${observed.name}: a response after the end of the call`);
      return;
    }
    const response = decodeResponse(message);
    connection.note(Math.max(response.headerRevision, response.events.at(-1)?.revision ?? 0));
    const index = observed.responses.length;
    const wrong = observed.add({ ...response, moment: moment(), wasPaused: this.isPaused, index });
    if (wrong !== null) onViolation(`${observed.name}: ${wrong}`);
    if (this.#isQuiet) return;
    if (!response.isFragment && random.chance(fragility)) this.#leave();
    else if (random.chance(slowness)) this.pause(random.pick([0, 5, 50, 400, 1_500]));
  }

  /** While a response is delivered: the client cancels one of its watches, or disconnects. */
  #leave(): void {
    const { random } = this.#options;
    const ids = [...this.observed.byId.keys()];
    if (ids.length === 0 || random.chance(0.2)) this.cancel();
    else this.cancelWatch(random.pick(ids));
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.deliver(Buffer.concat([head, tail]));
  }

  end(ended: Status): void {
    const { observed } = this;
    if (!observed.isOpen) this.#options.onViolation(`${observed.name}: ended after its end`);
    observed.status = ended;
  }

  pauseRequests(): void {}
  resumeRequests(): void {}
}
