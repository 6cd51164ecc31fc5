/** The release of the etcd under test, for expectations that depend on it. */
import { execFileSync } from 'node:child_process';
import { etcdBinary } from './etcd.ts';

/** The version of the etcd under test, for example [3, 4, 23]. */
export function etcdVersion(): readonly number[] {
  const text = execFileSync(etcdBinary, ['--version'], { encoding: 'utf8' });
  const found = /etcd Version: (\d+)\.(\d+)\.(\d+)/.exec(text);
  if (found === null) throw new Error(`no version in: ${text}`);
  return found.slice(1).map(Number);
}

/** Whether the etcd under test is of that minor version of v3 or a later one. */
export function isAtLeast(minor: number): boolean {
  return (etcdVersion()[1] ?? 0) >= minor;
}

/**
 * Whether the etcd under test has a change that came to older lines with a patch release: `{ 4: 28, 5: 10 }` for 3.4.28,
 * 3.5.10 and every line after those named.
 */
export function isPatched(patches: Readonly<Record<number, number>>): boolean {
  const [, minor = 0, patch = 0] = etcdVersion();
  const first = patches[minor];
  return first === undefined
    ? Object.keys(patches).every((m) => Number(m) < minor)
    : patch >= first;
}

/** Whether progress responses come after the events up to their revision. Earlier releases respond at once. */
export function ordersProgress(): boolean {
  return isPatched({ 4: 25, 5: 8 });
}

/** How often etcd notifies idle watches of its progress. */
export function progressNotifyFlag(interval: string): string {
  const name = isAtLeast(6) ? 'watch' : 'experimental-watch';
  return `--${name}-progress-notify-interval=${interval}`;
}

/**
 * Whether a compaction keeps the deletions of its own revision. Earlier releases remove them, so that a watch which starts at
 * that revision does not report them (etcd#18089, etcd#19179).
 */
export function keepsDeletionsAtCompaction(): boolean {
  return isPatched({ 4: 36, 5: 18 });
}

/**
 * Whether a leader that was replaced without noticing, for example while it was paused, may revoke leases that the new leader
 * renews (etcd#15247). Fixed by etcd#16822.
 */
export function revokesAsFormerLeader(): boolean {
  return !isPatched({ 4: 29, 5: 11 });
}
