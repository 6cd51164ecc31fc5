/**
 * How many messages the process inflates on threads at the same time. The others wait in order. Node's pool has four threads,
 * which files, host names and password hashes need, too.
 */
import { type InflateFault, inflateOnThread } from './inflate.ts';

const runningMax = 2;

export class InflateJob {
  readonly message: Buffer;
  readonly bytesMax: number;
  readonly onEnd: (result: Buffer | InflateFault) => void;

  constructor(message: Buffer, bytesMax: number, onEnd: (result: Buffer | InflateFault) => void) {
    this.message = message;
    this.bytesMax = bytesMax;
    this.onEnd = onEnd;
  }
}

export class InflateSlots {
  #running = 0;
  readonly #waiting = new Set<InflateJob>();

  /** `onEnd` of the job is called once, in a later turn, unless the job is removed. */
  add(job: InflateJob): void {
    this.#waiting.add(job);
    this.#startNext();
  }

  /** The result is not needed any more. A job that runs finishes nevertheless. */
  remove(job: InflateJob): void {
    this.#waiting.delete(job);
  }

  #startNext(): void {
    if (this.#running >= runningMax) return;
    const [job] = this.#waiting;
    if (job === undefined) return;
    this.#waiting.delete(job);
    this.#running += 1;
    inflateOnThread(job.message, job.bytesMax, (result) => {
      this.#running -= 1;
      this.#startNext();
      job.onEnd(result);
    });
  }
}
