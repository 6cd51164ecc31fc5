/**
 * The responses that a cached range has built for its current state, so that equal reads share their bytes, and the header that
 * they share.
 */
import { revisionOf } from '../etcd/response-header.ts';
import { Writer } from '../protobuf/writer.ts';
import { withRevision } from '../watch/stream/messages.ts';
import type { RangeQuery } from './range-query.ts';
import type { ResponseMemory } from './response-memory.ts';

/** Responses to different requests that are kept until the state changes. */
const responsesMax = 16;
/** A response is found again by the bytes of its request, so those of long requests are not kept. */
const requestBytesMax = 4_096;

export class KeptResponses {
  readonly #memory: ResponseMemory;
  readonly #byName = new Map<string, Uint8Array>();
  #bytes = 0;
  #head: Uint8Array = new Uint8Array(0);
  #headSource: Uint8Array | null = null;
  #headRevision = 0;

  constructor(memory: ResponseMemory) {
    this.#memory = memory;
  }

  /** What `find` and `keep` know a response by. Null for a request that is too long. */
  nameOf({ omitsLeases }: RangeQuery, request: Uint8Array): string | null {
    if (request.length > requestBytesMax) return null;
    const text = Buffer.from(request.buffer, request.byteOffset, request.length).toString('latin1');
    // Equal requests have other responses after the members have changed to another release.
    return omitsLeases ? `-${text}` : text;
  }

  find(name: string): Uint8Array | null {
    return this.#byName.get(name) ?? null;
  }

  /** Keeps a response until `clear`, unless the memory of responses is needed for those that wait. */
  keep(name: string, built: Uint8Array): void {
    if (this.#byName.size >= responsesMax) this.clear();
    if (!this.#memory.mayKeep(built.length)) return;
    this.#byName.set(name, built);
    this.#bytes += built.length;
    this.#memory.keptBytes += built.length;
  }

  /** The state has changed. */
  clear(): void {
    this.#byName.clear();
    this.#memory.keptBytes -= this.#bytes;
    this.#bytes = 0;
  }

  /** The `header` field for a state of `revision`: `header`, the content of one that etcd has sent, with that revision. */
  headFor(header: Uint8Array, revision: number): Uint8Array {
    if (this.#headSource === header && this.#headRevision === revision) return this.#head;
    const isExact = revisionOf(header) === revision;
    const content = isExact ? header : withRevision(header, revision);
    this.#head = new Writer().message(1, content).finish();
    this.#headSource = header;
    this.#headRevision = revision;
    return this.#head;
  }
}
