/** The watches of one stream that concern the whole namespace, and the events that they receive. */
import { Reader } from '../../protobuf/reader.ts';

/** Further creates in flight are not followed, nor are further watches. */
const watchesMax = 256;
/** Only one of so many responses is decoded, once no create is in flight. */
const decodedOneOf = 8;

export class WholeWatches {
  /** Whether the creates in flight concern the whole namespace, in order: the responses to creates come in that order. */
  readonly #creates: boolean[] = [];
  readonly #ids = new Set<number>();
  #untilDecoded = 1;

  /** A WatchCreateRequest. */
  created(create: Reader): void {
    if (this.#creates.length < watchesMax) this.#creates.push(isWhole(create));
  }

  /** Returns how many events the response has for watches of the whole namespace, as an estimate. */
  events(head: Uint8Array, tail: Uint8Array): number {
    if (this.#creates.length === 0 && this.#ids.size === 0) return 0;
    this.#untilDecoded -= 1;
    const isSampled = this.#untilDecoded <= 0;
    if (isSampled) this.#untilDecoded = decodedOneOf;
    if (!isSampled && this.#creates.length === 0) return 0;
    const counted = this.#decode(new Reader(head), new Reader(tail));
    return isSampled ? counted * decodedOneOf : 0;
  }

  /** WatchResponse: watch_id 2, created 3, canceled 4, events 11. A shared response has the events in `tail`. */
  #decode(head: Reader, tail: Reader): number {
    let id = 0;
    let isCreated = false;
    let isCancelled = false;
    let events = 0;
    while (head.next()) {
      if (head.field === 2) id = head.number();
      else if (head.field === 3) isCreated = head.bool();
      else if (head.field === 4) isCancelled = head.bool();
      else if (head.field === 11) events += 1;
    }
    if (isCreated) {
      const isWholeWatch = this.#creates.shift() === true;
      if (isWholeWatch && !isCancelled && this.#ids.size < watchesMax) this.#ids.add(id);
    } else if (isCancelled) this.#ids.delete(id);
    if (!this.#ids.has(id)) return 0;
    while (tail.next()) if (tail.field === 11) events += 1;
    return events;
  }
}

/** From the first key, or from an empty one, to the end of all keys: key 1, range_end 2. */
function isWhole(create: Reader): boolean {
  let isFromFirst = true;
  let isToEnd = false;
  while (create.next()) {
    if (create.field === 1) isFromFirst = isZero(create.bytes()) || create.bytes().length === 0;
    else if (create.field === 2) isToEnd = isZero(create.bytes());
  }
  return isFromFirst && isToEnd;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.length === 1 && bytes[0] === 0;
}
