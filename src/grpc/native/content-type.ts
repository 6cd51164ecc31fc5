/** `content-type` of requests and responses: `application/grpc`, alone or followed by a format. */

const grpc = 'application/grpc';
/** A longer format is not repeated in the response. */
const subtypeBytesMax = 255;

/** Whether it is `application/grpc`, alone or followed by a format or parameters. */
export function isGrpcContentType(contentType: string): boolean {
  if (contentType === grpc) return true;
  return /^application\/grpc[+;]/i.test(contentType);
}

/**
 * What follows `application/grpc+` in a request, as grpc-go reads it: parameters count as a format, and letter case matters.
 * Empty without a format; null if the request is not gRPC.
 */
export function contentSubtype(contentType: string): string | null {
  if (contentType === grpc) return '';
  if (!contentType.startsWith(grpc)) return null;
  const separator = contentType[grpc.length];
  if (separator !== '+' && separator !== ';') return null;
  const subtype = contentType.slice(grpc.length + 1);
  return subtype.length <= subtypeBytesMax ? subtype : '';
}

/** The response's, for a request with that subtype. */
export function contentTypeOf(subtype: string): string {
  return subtype === '' ? grpc : `${grpc}+${subtype}`;
}
