/**
 * Identifies a call by the verified certificate of its client: by the exact names in the certificate, then by URI patterns.
 * All names that map to a tenant must map to the same one; otherwise the certificate is rejected.
 */
import type { Peer, PeerCertificate } from '../grpc/transport.ts';
import type { Directory } from '../tenant/directory.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { Identification, IdentitySource } from './identify.ts';

/** Per connection. It is valid for the snapshot it was computed from. */
interface CacheEntry {
  readonly directory: Directory;
  readonly identification: Identification;
}

/** A certificate that maps to no tenant is rejected, even if the listener has a tenant of its own. */
export function byCertificate(): IdentitySource {
  const cache = new WeakMap<Peer, CacheEntry>();
  return ({ peer }, directory) => {
    const { certificate } = peer;
    if (certificate === null || directory.listener(peer.listener)?.byCertificate !== true) {
      return null;
    }
    let entry = cache.get(peer);
    if (entry?.directory !== directory) {
      entry = { directory, identification: identifyCertificate(certificate, directory) };
      cache.set(peer, entry);
    }
    return entry.identification;
  };
}

/** A certificate with more names is rejected, because each name is matched against every pattern. */
const namesMax = 64;

function identifyCertificate(
  { uris, dnsNames, commonNames }: PeerCertificate,
  directory: Directory,
): Identification {
  if (uris.length + dnsNames.length + commonNames.length > namesMax) return 'tenant-unknown';
  const byCommonName = commonNames.map((name) => directory.byIdentity(`cn:${name}`));
  const found = new Set<Tenant | null>([
    ...uris.map((uri) => directory.byUri(uri)),
    ...dnsNames.map((name) => directory.byIdentity(`dns:${name.toLowerCase()}`)),
    byCommonName.at(-1) ?? null,
  ]);
  found.delete(null);
  const [tenant] = found;
  if (tenant == null || found.size > 1) return 'tenant-unknown';
  // etcd ignores all common names but the last. They identify no client, but must not contradict the other names.
  const isContradicted = byCommonName.some((other) => other !== null && other !== tenant);
  return isContradicted ? 'tenant-unknown' : tenant;
}
