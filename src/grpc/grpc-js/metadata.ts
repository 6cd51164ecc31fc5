/**
 * Converts metadata between grpc-js's objects and the flat form of the transport interface. No name and no value is lost or
 * joined with another. Binary values become padded base64. Which metadata may be forwarded is decided elsewhere.
 */
import { Metadata as GrpcMetadata, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { type Metadata, noMetadata } from '../metadata.ts';

// grpc-js logs metadata that it cannot represent to standard error, values included. These can be credentials.
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

/** Throws if a name or value is not valid in a header. */
export function toGrpcMetadata(metadata: Metadata): GrpcMetadata {
  const grpc = new GrpcMetadata();
  for (let i = 0; i + 1 < metadata.length; i += 2) {
    const name = metadata[i] ?? '';
    const value = metadata[i + 1] ?? '';
    grpc.add(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return grpc;
}

/** The same bytes as a Buffer, which grpc-js requires. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
