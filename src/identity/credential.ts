/**
 * Reads the token of a call as etcd does: `token` before `authorization`, the first value, with or without a leading
 * `Bearer ` (etcd server/auth/store.go, AuthInfoFromCtx). Does not verify it.
 */
import { type Metadata, metadataValue } from '../grpc/metadata.ts';

const scheme = 'Bearer ';

/** Returns undefined if the call presents no token. An empty text is a token. */
export function credentialOf(metadata: Metadata): string | undefined {
  const text = metadataValue(metadata, 'token') ?? metadataValue(metadata, 'authorization');
  return text?.startsWith(scheme) ? text.slice(scheme.length) : text;
}
