/**
 * The token that a call shows, read as etcd reads it: `token` before `authorization`, the first value, `Bearer ` in front or
 * not (etcd server/auth/store.go, AuthInfoFromCtx). What it is worth is decided elsewhere.
 */
import { type Metadata, metadataValue } from '../grpc/metadata.ts';

const scheme = 'Bearer ';

/** Undefined when the call shows none. An empty one was shown. */
export function credentialOf(metadata: Metadata): string | undefined {
  const text = metadataValue(metadata, 'token') ?? metadataValue(metadata, 'authorization');
  return text?.startsWith(scheme) ? text.slice(scheme.length) : text;
}
