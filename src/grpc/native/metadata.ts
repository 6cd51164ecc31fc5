/** Metadata as fields of an HTTP/2 request head: which entries are valid, and which names are reserved for the protocol. */
import type { Metadata } from '../metadata.ts';

const legalName = /^[0-9a-z_.-]+$/;
const legalValue = /^[ -~]*$/;
/** Names of HTTP/2 and gRPC. The transport sets them itself. */
const reservedNames = new Set([
  'connection',
  'content-length',
  'content-type',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-message',
  'grpc-status',
  'grpc-timeout',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'user-agent',
]);

/** Whether every name and value is valid in a header. */
export function isLegalMetadata(metadata: Metadata): boolean {
  for (let i = 0; i < metadata.length; i += 2) {
    if (!legalName.test(metadata[i] ?? '') || !legalValue.test(metadata[i + 1] ?? '')) return false;
  }
  return true;
}

/** Appends name and value of each entry to `fields`, without reserved names. */
export function appendMetadata(fields: string[], metadata: Metadata): void {
  for (let i = 0; i < metadata.length; i += 2) {
    const name = metadata[i] ?? '';
    if (!reservedNames.has(name)) fields.push(name, (metadata[i + 1] ?? '').trim());
  }
}
