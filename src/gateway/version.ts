/**
 * `/version` as in etcd (etcd server/etcdserver/api/etcdhttp/version.go). Clients read it to learn which features they may
 * use, so it reports the oldest member. The cluster's version is the minor release of that member, as in etcd.
 */
import { json, type Page, text } from './page.ts';

export interface Release {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** `versions` has the versions of the members. It may contain empty texts, which are ignored. */
export function versionPage(versions: readonly string[]): Page {
  const oldest = oldestRelease(versions);
  if (oldest === null) return text(503, 'the version of the cluster is not known yet');
  return json(200, {
    etcdserver: oldest.text,
    etcdcluster: `${oldest.major}.${oldest.minor}.0`,
  });
}

/** Null if no member has reported its version yet. */
export function oldestRelease(versions: readonly string[]): Release | null {
  const releases = versions.map(parse).filter((each) => each !== null);
  const [oldest = null] = releases.toSorted(
    (a, b) => a.major - b.major || a.minor - b.minor || a.patch - b.patch,
  );
  return oldest;
}

/** Returns null for a text that is not a semantic version. Suffixes do not affect the order. */
function parse(version: string): Release | null {
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+][\w.+-]{1,100})?$/.exec(version);
  if (match === null) return null;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  return { text: version, major, minor, patch };
}
