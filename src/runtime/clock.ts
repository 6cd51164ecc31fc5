/**
 * Time, handed in. Everything that waits or measures takes a Clock, so that tests and the simulation decide when things
 * happen. This file is the only one that touches the runtime's clock and timers.
 */

/** Cancels what returned it. Calling it twice, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Monotonic milliseconds with a fraction. Only differences have a meaning. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch, for logs, certificates and tokens. Never for measuring. */
  epochMs(): number;
  /** Calls `action` once, not before `delayMs` have passed. The timer does not keep the process alive. */
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
