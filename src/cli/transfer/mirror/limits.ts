/** What one transaction of a mirror may contain: less than what etcd accepts by default (128 operations, 1.5 MiB). */

/** One more is the position. */
export const operationsMax = 127;
export const bytesMax = 1 << 20;
