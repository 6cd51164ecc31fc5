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
  const release = releaseOf(version);
  if (release === null || release.minor < 4) return false;
  return release.patch >= (orderedProgressSince.get(release.minor) ?? 0);
}

/** Whether a `keys_only` range has the leases of its keys: null for a version that is not known. */
export type KeysOnlyLeases = boolean | null;

/** The first minor release that reads a `keys_only` range from its index, unless it is sorted by value. The index has no leases. */
const keysOnlyFromIndexSince = 7;

/** What all members with these versions do. Null if they differ. */
export function keysOnlyLeases(
  everyVersion: (test: (version: string) => boolean) => boolean,
): KeysOnlyLeases {
  const isBefore = (version: string) => {
    const release = releaseOf(version);
    return release === null ? null : release.minor < keysOnlyFromIndexSince;
  };
  if (everyVersion((version) => isBefore(version) === true)) return true;
  return everyVersion((version) => isBefore(version) === false) ? false : null;
}

/** Null for a version that is not known. */
function releaseOf(version: string): { readonly minor: number; readonly patch: number } | null {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.map(Number) ?? [];
  const isKnown = major === 3 && minor !== undefined && patch !== undefined;
  return isKnown ? { minor, patch } : null;
}
