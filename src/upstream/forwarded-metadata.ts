/**
 * What of a client's metadata etcd gets to see: what it understands, and nothing else, so that a client can neither
 * smuggle an identity past the proxy nor fill etcd's header tables. https://etcd.io/docs/latest/dev-guide/api_reference_v3/
 */
import { type Metadata, metadataValue, noMetadata } from '../grpc/metadata.ts';

/** `require leader` and the version of the client's API: they change what is answered, so they always go along. */
const always = ['hasleader', 'client-api-version'] as const;
/** Whose permissions count at etcd. */
const credentials = ['token', 'authorization'] as const;

const withCredentials = [...always, ...credentials] as const;

/** Selects from a client's metadata; one value per name, the first, which is the one that etcd looks at. */
export function forwarded(metadata: Metadata, passesCredentials: boolean): Metadata {
  if (metadata.length === 0) return noMetadata;
  let selected: string[] | null = null;
  for (const name of passesCredentials ? withCredentials : always) {
    const value = metadataValue(metadata, name);
    if (value === undefined) continue;
    selected ??= [];
    selected.push(name, value);
  }
  return selected ?? noMetadata;
}
