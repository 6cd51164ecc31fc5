/** Reads a WatchResponse in place. One object is read into again and again; an event costs a few comparisons per field. */

export interface EventSink {
  /** Offsets into the bytes that were passed to `read`. A delete has an empty value. */
  onEvent(
    bytes: Buffer,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    modRevision: number,
  ): void;
}

export class WatchResponse {
  watchId = 0;
  isCreated = false;
  isCanceled = false;
  events = 0;
  /** Offset after the varint that `#varint` has read. */
  #at = 0;

  /** Reads all fields. If `sink` is not null, it receives every event; `watchId` is set before. */
  read(bytes: Buffer, start: number, end: number, sink: EventSink | null): void {
    this.watchId = 0;
    this.isCreated = false;
    this.isCanceled = false;
    this.events = 0;
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(bytes);
      const value = this.#varint(bytes);
      if (tag === 0x10) this.watchId = value;
      else if (tag === 0x18) this.isCreated = value === 1;
      else if (tag === 0x20) this.isCanceled = value === 1;
      else if ((tag & 7) === 2) {
        const next = this.#at + value;
        if (tag === 0x5a) {
          this.events += 1;
          if (sink !== null) this.#event(bytes, this.#at, next, sink);
        }
        this.#at = next;
      }
    }
  }

  #event(bytes: Buffer, start: number, end: number, sink: EventSink): void {
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(bytes);
      const value = this.#varint(bytes);
      if ((tag & 7) !== 2) continue;
      const next = this.#at + value;
      if (tag === 0x12) this.#keyValue(bytes, this.#at, next, sink);
      this.#at = next;
    }
  }

  #keyValue(bytes: Buffer, start: number, end: number, sink: EventSink): void {
    let keyEnd = start;
    let valueStart = end;
    let valueEnd = end;
    let modRevision = 0;
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint(bytes);
      const value = this.#varint(bytes);
      if (tag === 0x18) modRevision = value;
      if ((tag & 7) !== 2) continue;
      const next = this.#at + value;
      if (tag === 0x0a) keyEnd = next;
      else if (tag === 0x2a) {
        valueStart = this.#at;
        valueEnd = next;
      }
      this.#at = next;
    }
    sink.onEvent(bytes, keyEnd, valueStart, valueEnd, modRevision);
  }

  #varint(bytes: Buffer): number {
    let byte = bytes[this.#at++] ?? 0;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    return value;
  }
}
