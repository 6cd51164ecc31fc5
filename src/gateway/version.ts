/**
 * `/version` as etcd answers it (etcd server/etcdserver/api/etcdhttp/version.go). Clients look there for what they may
 * use, so the oldest member speaks for all, and the cluster's version is its minor release, as etcd itself settles it.
 */
import { type Answer, json, text } from './answer.ts';

/** `versions` of the members as far as they are known; empty texts are ignored. */
export function versionAnswer(versions: readonly string[]): Answer {
  const known = versions.map(parse).filter((each) => each !== null);
  const [oldest] = known.toSorted(
    (a, b) => a.major - b.major || a.minor - b.minor || a.patch - b.patch,
  );
  if (oldest === undefined) return text(503, 'no member of the cluster has told its version yet');
  return json(200, {
    etcdserver: oldest.text,
    etcdcluster: `${oldest.major}.${oldest.minor}.0`,
  });
}

interface Release {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** A semantic version; what stands behind its numbers does not count for the order. Null for anything else. */
function parse(version: string): Release | null {
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+][\w.+-]{1,100})?$/.exec(version);
  if (match === null) return null;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  return { text: version, major, minor, patch };
}
