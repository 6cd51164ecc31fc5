/**
 * The metadata of a call that etcd's response may depend on, credentials apart: "require leader", and the version of the
 * client's API (etcd api/v3rpc/rpctypes/metadatafields.go).
 */
export const metadataNames = ['hasleader', 'client-api-version'] as const;
