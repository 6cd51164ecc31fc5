/**
 * The limit of open file descriptors of this process (`nofile`), and what it is divided into. Node raises the soft limit to the
 * hard one when it starts, so what the system reports is what the process can use.
 */
import { readFileSync } from 'node:fs';

/** What a process may open where the system has no /proc. */
const defaultLimit = 1_024;
/** For files, listeners, the event loop, pipes to workers and a connection that is closed at once. */
const ownDescriptors = 64;

export interface DescriptorShares {
  /** Client connections. */
  readonly clients: number;
  /** Connections to the admin address. */
  readonly admin: number;
}

/**
 * Divides the descriptors of a process. What is not listed is for the process itself and for the upstream: up to 16 connections
 * per endpoint and channel class, of which a few are usual.
 */
export function descriptorShares(limit = descriptorLimit()): DescriptorShares {
  const admin = between(8, Math.floor(limit / 16), 256);
  const upstream = between(48, Math.floor(limit / 8), 512);
  return { admin, clients: Math.max(8, limit - ownDescriptors - upstream - admin) };
}

/** `Infinity` without a limit. `read` returns /proc/self/limits, or null. */
export function descriptorLimit(read: () => string | null = readLimits): number {
  const soft = /^Max open files\s+(\S+)/m.exec(read() ?? '')?.[1];
  if (soft === 'unlimited') return Number.POSITIVE_INFINITY;
  return soft !== undefined && /^\d{1,19}$/.test(soft) ? Number(soft) : defaultLimit;
}

function readLimits(): string | null {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return null;
  }
}

function between(min: number, value: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
