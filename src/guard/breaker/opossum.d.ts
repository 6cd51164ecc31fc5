/**
 * What breaker.ts uses of opossum 10, in types of our own: the published ones describe an older major version. Anything
 * that is not declared here is not used on purpose; breaker.ts says why.
 */
declare module 'opossum' {
  import type { EventEmitter } from 'node:events';

  interface CircuitOptions {
    /** False: opossum measures no time. */
    timeout: false;
    /** Milliseconds from opening to half-open. Read at the moment of opening, so it may be changed before each. */
    resetTimeout: number;
    /** Opens when more than this share of the window's fires failed. */
    errorThresholdPercentage: number;
    /** Fewer fires than this within the window never open it. */
    volumeThreshold: number;
    rollingCountTimeout: number;
    rollingCountBuckets: number;
    rollingPercentilesEnabled: boolean;
    enableSnapshots: boolean;
    /** Its `rotate` event moves the window on by one bucket; without it every circuit has an interval of its own. */
    rotateBucketController: EventEmitter;
  }

  interface CircuitStatus {
    /** Counts one in the newest bucket of the window. */
    increment(property: 'fires'): void;
  }

  class CircuitBreaker<Arguments extends unknown[]> extends EventEmitter {
    constructor(action: (...parameters: Arguments) => Promise<void>, options: CircuitOptions);
    readonly options: CircuitOptions;
    readonly closed: boolean;
    readonly opened: boolean;
    readonly halfOpen: boolean;
    readonly status: CircuitStatus;
    fire(...parameters: Arguments): Promise<void>;
    open(): void;
    shutdown(): void;
  }

  export = CircuitBreaker;
}
