/**
 * Selects the part of a client's metadata that etcd receives: only names that etcd understands. So a client cannot present an
 * identity to etcd that the proxy does not allow, and cannot fill etcd's header tables.
 * https://etcd.io/docs/latest/dev-guide/api_reference_v3/
 */
import type { AttemptTrace } from '../call/trace.ts';
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

/**
 * The metadata of an attempt: the selected part of the client's, with that of the proxy's login in place of the client's own
 * credentials, and the trace. `login` is null if the client's credentials are sent.
 */
export function attemptMetadata(
  metadata: Metadata,
  login: Metadata | null,
  trace: AttemptTrace | null,
): Metadata {
  const selected =
    login === null ? forwarded(metadata, true) : joined(forwarded(metadata, false), login);
  return trace === null ? selected : joined(selected, trace.metadata);
}

/** Usually one of them is empty. Then the other one is returned without a copy. */
function joined(selected: Metadata, own: Metadata): Metadata {
  if (own.length === 0) return selected;
  return selected.length === 0 ? own : [...selected, ...own];
}
