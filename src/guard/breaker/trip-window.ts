/**
 * Whether a closed breaker must open: the share of failures in a rolling window. opossum keeps the window and decides; only
 * this file imports it. opossum never wraps a call. It receives outcomes that are already known, so calls in flight do not
 * dilute the error rate. After it has tripped, a window is discarded.
 */
import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import type { BreakerConfig } from '../../config/sections/breaker.ts';

/** The window moves on by one bucket at a time. */
export const windowBuckets = 10;

/** opossum's action. One error object, so that no stack is captured per failure. */
const failure = new Error('the call failed');
function fail(): Promise<void> {
  throw failure;
}

/** The promise that `fire` returns repeats the failure. */
function ignore(): void {}

export class TripWindow {
  readonly #circuit: CircuitBreaker;
  readonly #rotation = new EventEmitter();
  readonly #successesPerHalfFailure: number;
  #hasHalfFailure = false;
  #quietBuckets = 0;

  constructor({ callsMin, errorPercent, windowMs }: BreakerConfig) {
    this.#successesPerHalfFailure = Math.ceil(100 / errorPercent) - 1;
    this.#circuit = new CircuitBreaker(fail, {
      timeout: false,
      // Not reached: the window is discarded when the circuit has opened.
      resetTimeout: windowMs,
      errorThresholdPercentage: errorPercent,
      volumeThreshold: callsMin,
      rollingCountTimeout: windowMs,
      rollingCountBuckets: windowBuckets,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: this.#rotation,
    });
  }

  /** A success cannot trip the window. It is counted without `fire`, which allocates a promise and a stack of closures. */
  success(): void {
    this.#quietBuckets = 0;
    this.#circuit.status.increment('fires');
  }

  /** Returns true if the window trips. */
  failure(): boolean {
    this.#quietBuckets = 0;
    this.#circuit.fire().catch(ignore);
    return this.#circuit.opened;
  }

  /**
   * Two half failures count as one failure. Successes beside it keep the error rate at the threshold, so half failures alone
   * never trip the window. Returns true if it trips.
   */
  halfFailure(): boolean {
    this.#hasHalfFailure = !this.#hasHalfFailure;
    if (this.#hasHalfFailure) return false;
    for (let i = 0; i < this.#successesPerHalfFailure; i++) this.success();
    return this.failure();
  }

  /** Moves the window on by one bucket. Returns false if the window is empty now. */
  rotate(): boolean {
    this.#rotation.emit('rotate');
    this.#quietBuckets += 1;
    return this.#quietBuckets < windowBuckets;
  }

  /** Call once, after the last use: opossum has a timer while the circuit is open. */
  close(): void {
    this.#circuit.shutdown();
  }
}
