/** What a release of etcd does differently, by the version that a member reports. */

/** The first patch release of a minor release of etcd 3 with ordered progress. Later minors have it from the beginning. */
const orderedProgressSince: ReadonlyMap<number, number> = new Map([
  [4, 25],
  [5, 8],
]);

/**
 * Whether progress responses of a watch stream come after all events up to their revision (etcd#15237). False for a version
 * that is not known.
 */
export function ordersProgress(version: string): boolean {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.map(Number) ?? [];
  if (major !== 3 || minor === undefined || patch === undefined) return false;
  if (minor < 4) return false;
  return patch >= (orderedProgressSince.get(minor) ?? 0);
}
