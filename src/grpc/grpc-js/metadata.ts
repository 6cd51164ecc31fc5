/**
 * Metadata between grpc-js's objects and the flat form of the seam. Nothing is decided here about what may be forwarded.
 * Guarantee: no name and no value is lost or joined with another; binary values come out as base64, padded.
 */
import { Metadata as GrpcMetadata, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { type Metadata, noMetadata } from '../metadata.ts';

// grpc-js prints metadata that it cannot represent, values included, to standard error. They may be credentials.
setLogVerbosity(logVerbosity.NONE);

export function fromGrpcMetadata(metadata: GrpcMetadata): Metadata {
  const headers = metadata.toHttp2Headers();
  const flat: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === 'string') flat.push(name, value);
    else if (Array.isArray(value)) for (const each of value) flat.push(name, each);
  }
  return flat.length === 0 ? noMetadata : flat;
}

/** Throws on a name or value that gRPC does not allow in a header. */
export function toGrpcMetadata(metadata: Metadata): GrpcMetadata {
  const grpc = new GrpcMetadata();
  for (let i = 0; i + 1 < metadata.length; i += 2) {
    const name = metadata[i] ?? '';
    const value = metadata[i + 1] ?? '';
    grpc.add(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return grpc;
}

/** The same bytes as the Buffer that grpc-js insists on. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
