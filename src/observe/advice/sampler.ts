/**
 * Chooses the calls that the advice inspects: all while there are few, and otherwise about a fixed number per second. So the cost
 * is bounded, and a process with few calls is observed as well. A chosen call represents as many calls as its weight.
 */
import type { Random } from '../../runtime/random.ts';

const samplesPerSecond = 100;
const intervalMax = 4_096;
const windowMs = 1_000;

export class Sampler {
  readonly #random: Random;
  /** Mean distance of two samples, in calls. */
  #interval = 1;
  /** Of the next sample. */
  #gap = 1;
  #startMs: number;
  #samples = 0;
  #calls = 0;

  constructor(random: Random, nowMs: number) {
    this.#random = random;
    this.#startMs = nowMs;
  }

  /** How many calls until the next sample, that one included. */
  get gap(): number {
    return this.#gap;
  }

  /** Called for each sample. Returns its weight, and draws the next gap at random: a client may repeat its calls in a pattern. */
  take(nowMs: number): number {
    const weight = this.#interval;
    this.#samples += 1;
    this.#calls += this.#gap;
    const passedMs = nowMs - this.#startMs;
    if (this.#samples >= samplesPerSecond || passedMs >= windowMs) this.#adapt(passedMs, nowMs);
    this.#gap = this.#interval === 1 ? 1 : this.#random.integer(1, 2 * this.#interval);
    return weight;
  }

  /** Called when no call was sampled for a while: the next one will be. */
  restart(nowMs: number): void {
    this.#interval = 1;
    this.#gap = 1;
    this.#reset(nowMs);
  }

  #adapt(passedMs: number, nowMs: number): void {
    const callsPerSecond = (this.#calls * 1_000) / Math.max(passedMs, 1);
    const interval = Math.ceil(callsPerSecond / samplesPerSecond);
    this.#interval = Math.min(Math.max(interval, 1), intervalMax);
    this.#reset(nowMs);
  }

  #reset(nowMs: number): void {
    this.#startMs = nowMs;
    this.#samples = 0;
    this.#calls = 0;
  }
}
