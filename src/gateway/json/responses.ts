/** Headers and bodies of JSON responses. */
import { refusal } from '../../call/refusals.ts';
import { Code, type Status, status } from '../../grpc/status.ts';
import type { JsonContext } from './context.ts';
import type { GatewayError } from './dialect.ts';
import { messageToJson, type StringWriter } from './json-writer.ts';

const jsonType = ['Content-Type', 'application/json'] as const;
/** The metadata of every response of etcd's gRPC server. */
export const peerHeaders = ['Grpc-Metadata-Content-Type', 'application/grpc'] as const;

/** Of a response in protobuf. Base64 makes it a third longer, and a string of V8 has at most 512 MiB. */
export const convertedBytesMax = 256 << 20;

/** The message of a response as JSON, or the status that the client gets instead. */
export function jsonOf(
  { types, parts }: JsonContext,
  message: Uint8Array,
  writeString: StringWriter,
): string | Status {
  if (message.length > convertedBytesMax) {
    parts.memory.responses.refusals += 1;
    return parts.memory.refusal;
  }
  return messageToJson(types.response, message, writeString) ?? refusal('response-malformed');
}

/** Headers of a response with that status. The trailers of a status that the proxy originates say why. */
export function headersOf({ headers }: JsonContext, ended: Status | null): string[] {
  const all = [...headers, ...jsonType];
  if (ended === null) return all;
  for (let i = 0; i < ended.trailers.length; i += 2) {
    const name = ended.trailers[i] ?? '';
    if (name.endsWith('-bin')) continue;
    all.push(`Grpc-Metadata-${canonical(name)}`, ended.trailers[i + 1] ?? '');
  }
  return all;
}

/** Ends the exchange with an error before anything else was sent. */
export function refuse(context: JsonContext, ended: Status): void {
  const { exchange, dialect } = context;
  const headers = headersOf(context, ended);
  // Only grpc-gateway v2.
  if (ended.code === Code.UNAUTHENTICATED && dialect.hasJsonRoutingErrors) {
    headers.push('WWW-Authenticate', headerText(ended.text));
  }
  exchange.head(dialect.httpStatus(ended.code), headers);
  exchange.end(dialect.errorBody(ended));
}

export function invalidArgument({ text }: Pick<GatewayError, 'text'>): Status {
  return status(Code.INVALID_ARGUMENT, text);
}

/** With the text of grpc-go. */
export function tooLarge(length: number, bytesMax: number): Status {
  return status(
    Code.RESOURCE_EXHAUSTED,
    `grpc: received message larger than max (${length} vs. ${bytesMax})`,
  );
}

/** Without what a header must not contain. */
function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, ' ');
}

/** `etcd-bulkhead-reason` → `Etcd-Bulkhead-Reason`. */
function canonical(name: string): string {
  return name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
}
