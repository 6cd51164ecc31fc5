/**
 * The injected clock. All code that waits or measures time takes a Clock, so that tests and the simulation control time. Only
 * this file uses the clock and the timers of the runtime.
 */

/** Cancels a timer. Has no effect after the timer has fired or was cancelled. */
export type CancelTimer = () => void;

export interface Clock {
  /** Monotonic, in milliseconds with a fraction. Only differences have a meaning. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch, for logs, certificates and tokens. Not for measuring durations. */
  epochMs(): number;
  /** Calls `action` once, at least `delayMs` later. The timer does not keep the process alive. */
  after(delayMs: number, action: () => void): CancelTimer;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
