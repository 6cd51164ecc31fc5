/**
 * A verified client certificate → its tenant: exact names first looked up, then patterns of URIs. Everything in it that
 * names a tenant must name the same one; a certificate that is two tenants is none.
 */
import type { RefusalName } from '../call/refusals.ts';
import type { Peer, PeerCertificate } from '../grpc/transport.ts';
import type { Directory } from '../tenant/directory.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { Resolver } from './identify.ts';

/** What a connection's certificate came to, and in which snapshot: it is looked at once per connection and reload. */
interface Known {
  readonly directory: Directory;
  readonly tenant: Tenant | RefusalName;
}

/** Whoever shows a certificate is its tenant, and nobody if it is nobody's, whoever the listener is otherwise for. */
export function byCertificate(): Resolver {
  const byPeer = new WeakMap<Peer, Known>();
  return ({ peer }, directory) => {
    const { certificate } = peer;
    if (certificate === null || directory.listener(peer.listener)?.byCertificate !== true) {
      return null;
    }
    let known = byPeer.get(peer);
    if (known?.directory !== directory) {
      known = { directory, tenant: tenantOfCertificate(certificate, directory) };
      byPeer.set(peer, known);
    }
    return known.tenant;
  };
}

/** More names than this are not looked at: nobody needs them, and each costs a look at every pattern. */
const namesMax = 64;

function tenantOfCertificate(
  { uris, dnsNames, commonName }: PeerCertificate,
  directory: Directory,
): Tenant | RefusalName {
  if (uris.length + dnsNames.length > namesMax) return 'tenant-unknown';
  const found = new Set<Tenant | null>([
    ...uris.map((uri) => directory.byUri(uri)),
    ...dnsNames.map((name) => directory.byIdentity(`dns:${name.toLowerCase()}`)),
    directory.byIdentity(`cn:${commonName}`),
  ]);
  found.delete(null);
  const [tenant] = found;
  return tenant == null || found.size > 1 ? 'tenant-unknown' : tenant;
}
