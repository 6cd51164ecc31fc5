/**
 * The registry of open streams, and how the proxy ends them when it drains or when a reload has changed their tenant. Watch
 * streams do not end by themselves, so a drain cannot wait for them; ending all of them at once would make every client
 * reconnect at the same time. Unary calls finish by themselves and are not registered, except those that wait for other
 * clients, such as Lock.
 */
import type { Call, Etcd, Layer, Message, Requests, Responses } from '../call/call.ts';
import { ForwardingCall } from '../call/forwarding.ts';
import { type RefusalName, refusal } from '../call/refusals.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';

/** Registers every stream and waiting call in `streams`. */
export function drain(streams: OpenStreams): Layer<'tenant'> {
  return (next) => new Drain(streams, next);
}

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

  /** Returns false while the proxy drains: it accepts no new streams then. */
  add(open: OpenCall): boolean {
    if (!this.#closed) this.#open.add(open);
    return !this.#closed;
  }

  remove(open: OpenCall): void {
    this.#open.delete(open);
  }

  /**
   * Rejects new streams and ends the open ones with Unavailable "server stopped", evenly spread over at most `windowMs`. Keepalive
   * streams end last, because their clients hold leases. Resolves when all streams have ended.
   */
  async endAll(windowMs: number): Promise<void> {
    this.#closed = true;
    await this.#end([...this.#open], 'draining', windowMs);
  }

  /** Ends the open streams that `mustEnd` selects, spread in the same way. New streams are still accepted. */
  async endWhere(mustEnd: (call: Call) => boolean, windowMs: number): Promise<void> {
    const streams = [...this.#open].filter(({ call }) => mustEnd(call));
    await this.#end(streams, 'tenant-changed', windowMs);
  }

  async #end(streams: OpenCall[], why: RefusalName, windowMs: number): Promise<void> {
    streams.sort((a, b) => a.drainRank - b.drainRank);
    // Many streams in a short window end in batches, at least one clock step apart.
    const steps = Math.max(1, Math.floor(windowMs / stepMsMin));
    const batchSize = Math.max(1, Math.ceil(streams.length / steps));
    const batches = Math.ceil(streams.length / batchSize);
    for (let i = 0; i < batches; i++) {
      if (i > 0) await this.#pause(Math.min(windowMs / batches, stepMsMax));
      for (const stream of streams.slice(i * batchSize, (i + 1) * batchSize)) {
        // A stream may have ended by itself meanwhile.
        if (this.#open.has(stream)) stream.abort(refusal(why));
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

/**
 * A few streams end earlier than the window: five clients per second that reconnect are not a burst. The listeners are closed
 * meanwhile, so the clients of the only proxy on a host wait for the end of the drain.
 */
const stepMsMax = 200;

class Drain implements Etcd<'tenant'> {
  readonly #streams: OpenStreams;
  readonly #next: Etcd<'tenant'>;

  constructor(streams: OpenStreams, next: Etcd<'tenant'>) {
    this.#streams = streams;
    this.#next = next;
  }

  unary(call: Call, request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    if (!call.method.waits) return this.#next.unary(call, request, responses);
    const waiting = new OpenCall(this.#streams, call, responses);
    if (!this.#streams.add(waiting)) return reject(responses);
    waiting.attach(this.#next.unary(call, request, waiting));
    return waiting;
  }

  stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    const stream = new OpenCall(this.#streams, call, responses);
    if (!this.#streams.add(stream)) return reject(responses);
    stream.attachStream(this.#next.stream(call, stream));
    return stream;
  }
}

function reject(responses: Responses<'tenant'>): Requests<'tenant'> {
  responses.end(refusal('draining'));
  return endedCall;
}

/** A registered call, which the proxy can end from here. */
class OpenCall extends ForwardingCall<'tenant'> {
  readonly call: Call;
  /** Calls with a lower rank end first. */
  readonly drainRank: number;
  readonly #streams: OpenStreams;

  constructor(streams: OpenStreams, call: Call, above: Responses<'tenant'>) {
    super(above);
    this.#streams = streams;
    this.call = call;
    this.drainRank = call.method.breaker === 'lease' ? 1 : 0;
  }

  override abort(status: Status): void {
    this.#streams.remove(this);
    super.abort(status);
  }

  override end(status: Status): void {
    this.#streams.remove(this);
    super.end(status);
  }

  override cancel(): void {
    this.#streams.remove(this);
    super.cancel();
  }
}
