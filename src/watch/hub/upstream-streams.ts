/** The watch streams to etcd that watches of one kind of a tenant share: as few as their limit allows. */
import type { HubContext } from './hub-context.ts';
import { type OpenCall, UpstreamStream } from './upstream-stream.ts';
import type { UpstreamWatch, UpstreamWatchOwner, UpstreamWatchSpec } from './upstream-watch.ts';

export class UpstreamStreams {
  readonly #context: HubContext;
  readonly #openCall: OpenCall;
  readonly #onChange: () => void;
  readonly #streams: UpstreamStream[] = [];

  /** `onChange` is called when `isEmpty` may have changed. */
  constructor(context: HubContext, openCall: OpenCall, onChange: () => void) {
    this.#context = context;
    this.#openCall = openCall;
    this.#onChange = onChange;
  }

  get isEmpty(): boolean {
    return this.#streams.length === 0;
  }

  watch(spec: UpstreamWatchSpec, owner: UpstreamWatchOwner): UpstreamWatch {
    const { watchesPerStreamMax } = this.#context.limits;
    const known = this.#streams.find(({ isEnded, size }) => !isEnded && size < watchesPerStreamMax);
    return (known ?? this.#open()).watch(spec, owner);
  }

  /** Without notice to the owners of the watches. */
  close(): void {
    for (const stream of this.#streams) stream.close();
  }

  #open(): UpstreamStream {
    const { clock, defer, limits } = this.#context;
    const stream: UpstreamStream = new UpstreamStream({
      defer,
      clock,
      onEnded: (ended) => this.#remove(ended),
      onUnused: () =>
        clock.after(limits.lingerMs, () => {
          if (stream.size > 0) return;
          this.#remove(stream);
          stream.close();
        }),
    });
    this.#streams.push(stream);
    this.#onChange();
    stream.open(this.#openCall);
    return stream;
  }

  #remove(stream: UpstreamStream): void {
    const index = this.#streams.indexOf(stream);
    if (index >= 0) this.#streams.splice(index, 1);
    this.#onChange();
  }
}
