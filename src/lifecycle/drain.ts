/**
 * The registry of open streams, and how they end when the proxy goes away, or when a reload has made something else of
 * their tenant. Watch streams never end by themselves, so waiting for the last one would take for ever; ending them all at
 * once would bring every client back in one burst. Unary calls finish by themselves and are not kept here, but for those
 * that wait for other clients, such as Lock: they are streams that happen to have one answer.
 */
import type { Call, Etcd, Layer, Message, Reply, Requests } from '../call/call.ts';
import { type RefusalName, refusal } from '../call/refusals.ts';
import { type Ongoing, settled } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';

export class OpenStreams {
  readonly #clock: Clock;
  readonly #open = new Set<OpenCall>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many streams and waiting calls are open. */
  get count(): number {
    return this.#open.size;
  }

  readonly layer: Layer<'tenant'> = (next) => new Registered(this, next);

  /** False once nothing is accepted any more that would not end by itself. */
  add(open: OpenCall): boolean {
    if (!this.#closed) this.#open.add(open);
    return !this.#closed;
  }

  forget(open: OpenCall): void {
    this.#open.delete(open);
  }

  /**
   * Refuses new streams and ends the open ones with Unavailable "server stopped", evenly spread over `windowMs`.
   * Keepalive streams go last, since their clients hold leases. Resolves when all have been ended.
   */
  async endAll(windowMs: number): Promise<void> {
    this.#closed = true;
    await this.#end([...this.#open], 'draining', windowMs);
  }

  /** The same for those streams alone that `isOver` is true for; new ones are still accepted. */
  async endWhere(isOver: (call: Call) => boolean, windowMs: number): Promise<void> {
    const streams = [...this.#open].filter(({ call }) => isOver(call));
    await this.#end(streams, 'tenant-changed', windowMs);
  }

  async #end(streams: OpenCall[], why: RefusalName, windowMs: number): Promise<void> {
    streams.sort((a, b) => a.drainRank - b.drainRank);
    // Many streams in a short window end in batches, one per step of the clock that is worth waiting for.
    const steps = Math.max(1, Math.floor(windowMs / stepMsMin));
    const batchSize = Math.max(1, Math.ceil(streams.length / steps));
    const batches = Math.ceil(streams.length / batchSize);
    for (let i = 0; i < batches; i++) {
      if (i > 0) await this.#pause(windowMs / batches);
      for (const stream of streams.slice(i * batchSize, (i + 1) * batchSize)) {
        // One may have ended by itself since this began.
        if (this.#open.has(stream)) stream.stop(why);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}

/** Batches are at least this far apart. */
const stepMsMin = 10;

class Registered implements Etcd<'tenant'> {
  readonly #streams: OpenStreams;
  readonly #next: Etcd<'tenant'>;

  constructor(streams: OpenStreams, next: Etcd<'tenant'>) {
    this.#streams = streams;
    this.#next = next;
  }

  unary(call: Call, request: Message<'tenant'>, reply: Reply<'tenant'>): Ongoing {
    if (!call.method.waits) return this.#next.unary(call, request, reply);
    const waiting = new OpenCall(this.#streams, call, reply);
    if (!this.#streams.add(waiting)) return refuse(reply);
    waiting.below = this.#next.unary(call, request, waiting.answers);
    return waiting;
  }

  stream(call: Call, reply: Reply<'tenant'>): Requests<'tenant'> {
    const stream = new OpenStream(this.#streams, call, reply);
    if (!this.#streams.add(stream)) return refuse(reply);
    stream.attach(this.#next.stream(call, stream.answers));
    return stream;
  }
}

function refuse(reply: Reply<'tenant'>): Requests<'tenant'> {
  reply.end(refusal('draining'));
  return settled;
}

/** A call seen from above, and what ends it from the middle. */
class OpenCall implements Ongoing {
  readonly call: Call;
  readonly drainRank: number;
  readonly answers: Answers;
  below: Ongoing = settled;
  readonly #streams: OpenStreams;

  constructor(streams: OpenStreams, call: Call, reply: Reply<'tenant'>) {
    this.#streams = streams;
    this.call = call;
    this.answers = new Answers(this, reply);
    this.drainRank = call.method.breaker === 'lease' ? 1 : 0;
  }

  stop(why: RefusalName): void {
    this.below.cancel();
    this.answers.end(refusal(why));
  }

  over(): void {
    this.#streams.forget(this);
  }

  cancel(): void {
    this.over();
    this.below.cancel();
  }

  pause(): void {
    this.below.pause();
  }

  resume(): void {
    this.below.resume();
  }
}

/** The requests' half of a stream. */
class OpenStream extends OpenCall implements Requests<'tenant'> {
  #requests: Requests<'tenant'> = settled;

  attach(requests: Requests<'tenant'>): void {
    this.below = requests;
    this.#requests = requests;
  }

  message(bytes: Message<'tenant'>): void {
    this.#requests.message(bytes);
  }

  end(): void {
    this.#requests.end();
  }
}

/** The answers of the same call, on their way up. */
class Answers implements Reply<'tenant'> {
  readonly #open: OpenCall;
  readonly #reply: Reply<'tenant'>;

  constructor(open: OpenCall, reply: Reply<'tenant'>) {
    this.#open = open;
    this.#reply = reply;
  }

  message(bytes: Uint8Array): void {
    this.#reply.message(bytes);
  }

  end(status: Status): void {
    this.#open.over();
    this.#reply.end(status);
  }

  pause(): void {
    this.#reply.pause();
  }

  resume(): void {
    this.#reply.resume();
  }
}
