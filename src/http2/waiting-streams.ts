/** Streams that a client has to open later, because the server's limit of concurrent streams is reached. First in, first out. */
import type { HeaderTemplate } from './hpack/encoder.ts';
import type { Stream } from './stream.ts';

export class WaitingStream {
  readonly stream: Stream;
  readonly template: HeaderTemplate;
  readonly tail: Uint8Array | null;
  readonly ended: boolean;

  constructor(stream: Stream, template: HeaderTemplate, tail: Uint8Array | null, ended: boolean) {
    this.stream = stream;
    this.template = template;
    this.tail = tail;
    this.ended = ended;
  }
}

export class WaitingStreams {
  #items: WaitingStream[] = [];
  #next = 0;

  get size(): number {
    return this.#items.length - this.#next;
  }

  push(item: WaitingStream): void {
    this.#items.push(item);
  }

  /** Removes the oldest one; undefined if no stream waits. */
  shift(): WaitingStream | undefined {
    const item = this.#items[this.#next];
    if (item === undefined) return undefined;
    this.#next += 1;
    if (this.#next * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#next);
      this.#next = 0;
    }
    return item;
  }

  /** Removes all. */
  take(): WaitingStream[] {
    const items = this.#items.slice(this.#next);
    this.#items = [];
    this.#next = 0;
    return items;
  }
}
