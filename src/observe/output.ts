/**
 * Standard output for log lines: a bounded buffer that is written at most every 50 ms. A reader that is slow or stuck costs log lines,
 * and neither calls nor the end of the process: a pipe or a socket is non-blocking, so no thread ever waits for its reader. Only
 * a file is written by a thread of the runtime. pino's own destination (sonic-boom 4) blocks a thread or the whole process.
 */
import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { systemClock } from '../runtime/clock.ts';
import { deferToTurn } from '../runtime/turn.ts';

const standardOutput = 1;
/** Beyond this size lines are dropped until the reader has caught up. */
const bufferBytesMax = 4 * 1024 * 1024;
/** Of one write. As much as a pipe of Linux holds. */
const writeBytesMax = 64 * 1024;
/** POSIX guarantees that a write of this size to a pipe is not mixed with others (PIPE_BUF of Linux). */
const atomicBytesMax = 4_096;
/** Until the next attempt to write into a full pipe. It doubles as long as the reader takes nothing. */
const retryMsMin = 1;
const retryMsMax = 64;
/** Between two writes, because a write costs as much as many lines. The first line after a pause is written at once. */
const intervalMs = 50;
/** How long the last lines of a process wait for the reader. */
const flushMsMax = 500;
const flushRetryMs = 10;

interface Line {
  readonly text: string;
  readonly bytes: number;
}

interface OpenOutput {
  readonly fd: number;
  readonly isFile: boolean;
}

export interface OutputOptions {
  /** Whether other processes write to the same output. Lines are then written in pieces that a pipe does not split. */
  readonly isShared: boolean;
}

export class Output {
  /** Lines that did not fit into the buffer, or whose reader has closed the output. */
  droppedLines = 0;
  readonly #fd: number;
  /** Whether a write into the output may last. */
  readonly #isFile: boolean;
  readonly #writeBytesMax: number;
  #lines: Line[] = [];
  /** Index of the first line that is not taken yet. */
  #first = 0;
  #bytes = 0;
  /** What is taken and not written yet. */
  #chunk = Buffer.alloc(0);
  #isScheduled = false;
  /** Whether a thread writes the chunk into a file. */
  #isInFlight = false;
  #retryMs = retryMsMin;
  #writtenMs = Number.NEGATIVE_INFINITY;

  constructor({ isShared }: OutputOptions) {
    this.#writeBytesMax = isShared ? atomicBytesMax : writeBytesMax;
    opened ??= openOutput();
    const { fd, isFile } = opened;
    this.#fd = fd;
    this.#isFile = isFile;
  }

  write(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.#bytes + bytes > bufferBytesMax) {
      this.droppedLines += 1;
      return;
    }
    this.#lines.push({ text, bytes });
    this.#bytes += bytes;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const waitMs = this.#writtenMs + intervalMs - systemClock.nowMs();
    if (waitMs > 0) systemClock.after(waitMs, () => this.#writeAll());
    else deferToTurn(() => this.#writeAll());
  }

  /** Writes what is left before the process exits, as far as the reader takes it in time. */
  flushSync(): void {
    // The thread finishes before the process ends.
    if (this.#isInFlight) this.#chunk = this.#chunk.subarray(this.#chunk.length);
    for (let waitedMs = 0; waitedMs < flushMsMax; waitedMs += flushRetryMs) {
      if (this.#writeNow() !== 'full') return;
      Atomics.wait(neverNotified, 0, 0, flushRetryMs);
    }
  }

  #writeAll(): void {
    if (this.#isFile) this.#writeToFile();
    else if (this.#writeNow() === 'full') {
      systemClock.after(this.#retryMs, () => this.#writeAll());
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
    } else this.#isScheduled = false;
  }

  #writeNow(): 'done' | 'full' {
    try {
      while (this.#takeChunk()) {
        this.#wrote(writeSync(this.#fd, this.#chunk));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 'full';
      this.#dropAll();
    }
    return 'done';
  }

  #writeToFile(): void {
    if (!this.#takeChunk()) {
      this.#isScheduled = false;
      return;
    }
    this.#isInFlight = true;
    write(this.#fd, this.#chunk, (error, written) => {
      this.#isInFlight = false;
      if (error === null) this.#wrote(written);
      else this.#dropAll();
      this.#writeToFile();
    });
  }

  #wrote(bytes: number): void {
    this.#chunk = this.#chunk.subarray(bytes);
    this.#retryMs = retryMsMin;
    this.#writtenMs = systemClock.nowMs();
  }

  /** The output is closed, or the disk is full. The process still serves clients. */
  #dropAll(): void {
    this.droppedLines += this.#lines.length - this.#first;
    this.#lines = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#chunk = this.#chunk.subarray(this.#chunk.length);
  }

  /** Takes whole lines for one write: at least one, and more as long as they fit. Returns false if nothing is left. */
  #takeChunk(): boolean {
    if (this.#chunk.length > 0) return true;
    let text = '';
    let bytes = 0;
    for (;;) {
      const line = this.#lines[this.#first];
      if (line === undefined || (bytes > 0 && bytes + line.bytes > this.#writeBytesMax)) break;
      text += line.text;
      bytes += line.bytes;
      this.#first += 1;
    }
    this.#bytes -= bytes;
    if (this.#first === this.#lines.length || this.#first > 1_000) {
      this.#lines = this.#lines.slice(this.#first);
      this.#first = 0;
    }
    this.#chunk = Buffer.from(text);
    return bytes > 0;
  }
}

/**
 * A pipe is opened again, because its descriptor may belong to other programs, too, which expect it to block. A socket cannot be
 * opened again. Node.js itself makes sockets non-blocking.
 */
function openOutput(): OpenOutput {
  try {
    const output = fstatSync(standardOutput);
    if (output.isFIFO()) {
      const path = `/proc/self/fd/${standardOutput}`;
      return { fd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK), isFile: false };
    }
    if (output.isSocket()) {
      new Socket({ fd: standardOutput, readable: false }).unref();
      return { fd: standardOutput, isFile: false };
    }
  } catch {
    // The output is closed, or the system has no such path.
  }
  return { fd: standardOutput, isFile: true };
}

/** The same for every logger of the process. */
let opened: OpenOutput | null = null;

const neverNotified = new Int32Array(new SharedArrayBuffer(4));
