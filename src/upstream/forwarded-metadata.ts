/**
 * Selects the part of a client's metadata that etcd receives: only names that etcd understands. So a client cannot present an
 * identity to etcd that the proxy does not allow, and cannot fill etcd's header tables.
 * https://etcd.io/docs/latest/dev-guide/api_reference_v3/
 */
import { metadataNames } from '../etcd/metadata-names.ts';
import { type Metadata, metadataValue, noMetadata } from '../grpc/metadata.ts';

const credentials = ['token', 'authorization'] as const;

const withCredentials = [...metadataNames, ...credentials] as const;

/** Whether a client sends a token of its own. */
export function hasCredentials(metadata: Metadata): boolean {
  return credentials.some((name) => metadataValue(metadata, name) !== undefined);
}

/** One value per name, the first: etcd ignores the others. */
export function forwarded(metadata: Metadata, passesCredentials: boolean): Metadata {
  if (metadata.length === 0) return noMetadata;
  let selected: string[] | null = null;
  for (const name of passesCredentials ? withCredentials : metadataNames) {
    const value = metadataValue(metadata, name);
    if (value === undefined) continue;
    selected ??= [];
    selected.push(name, value);
  }
  return selected ?? noMetadata;
}
