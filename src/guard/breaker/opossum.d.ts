/** The parts of opossum 10 that trip-window.ts uses. The published types describe an older major version. */
declare module 'opossum' {
  import type { EventEmitter } from 'node:events';

  interface CircuitOptions {
    /** False: opossum does not measure time. */
    timeout: false;
    /** Milliseconds from open to half-open. */
    resetTimeout: number;
    /** The circuit opens if more than this share of the window's fires failed. */
    errorThresholdPercentage: number;
    /** With fewer fires than this in the window the circuit does not open. */
    volumeThreshold: number;
    rollingCountTimeout: number;
    rollingCountBuckets: number;
    rollingPercentilesEnabled: boolean;
    enableSnapshots: boolean;
    /** Its `rotate` event moves the window on by one bucket. Without it every circuit has its own interval timer. */
    rotateBucketController: EventEmitter;
  }

  interface CircuitStatus {
    /** Adds one to a counter of the newest bucket. */
    increment(property: 'fires'): void;
  }

  class CircuitBreaker {
    constructor(action: () => Promise<void>, options: CircuitOptions);
    readonly opened: boolean;
    readonly status: CircuitStatus;
    /** Counts one fire and runs the action. A failure that trips the circuit opens it before `fire` returns. */
    fire(): Promise<void>;
    /** Removes all listeners and timers. */
    shutdown(): void;
  }

  export = CircuitBreaker;
}
