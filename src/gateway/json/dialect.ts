/**
 * What the JSON gateways of etcd's releases do differently. 3.4 and 3.5 use grpc-gateway v1 with jsonpb, 3.6 and later v2 with
 * protojson. The proxy responds like the release behind it.
 */

import { Code } from '../../grpc/status.ts';
import { htmlSafeString, plainString } from './json-strings.ts';
import type { StringWriter } from './json-writer.ts';
import { decodeJsonpb } from './jsonpb-decoder.ts';
import type { MessageOutput } from './message-output.ts';
import type { MessageType } from './message-type.ts';
import { decodeProtojson } from './protojson-decoder.ts';

export interface GatewayError {
  readonly code: number;
  readonly text: string;
}

export interface Dialect {
  /** Appends the message to `out`. `bytes` are one JSON value. Returns the error, or null. */
  decode(bytes: Buffer, type: MessageType, out: MessageOutput): string | null;
  /** Strings in the response of a unary call. */
  readonly unaryString: StringWriter;
  /** Strings in the chunks of a stream. */
  readonly streamString: StringWriter;
  /** The body of a failed request. */
  errorBody(error: GatewayError): string;
  /** What follows `"error":` in the last chunk of a stream. */
  streamError(error: GatewayError): string;
  httpStatus(code: number): number;
  /** Whether errors are JSON when no method has the path. */
  readonly hasJsonRoutingErrors: boolean;
  /** The code of a first message of a stream that is not valid; null if it ends the requests of the stream without an error. */
  readonly firstMessageCode: number | null;
  /** Whether a stream that ends without a response has a content type. */
  readonly typesEmptyStreams: boolean;
  /** Whether the last chunk of a failed stream ends with a line break. */
  readonly delimitsErrors: boolean;
}

const statuses: Readonly<Record<number, number>> = {
  [Code.OK]: 200,
  [Code.UNKNOWN]: 500,
  [Code.INVALID_ARGUMENT]: 400,
  [Code.DEADLINE_EXCEEDED]: 504,
  [Code.NOT_FOUND]: 404,
  [Code.ALREADY_EXISTS]: 409,
  [Code.PERMISSION_DENIED]: 403,
  [Code.RESOURCE_EXHAUSTED]: 429,
  [Code.FAILED_PRECONDITION]: 400,
  [Code.ABORTED]: 409,
  [Code.OUT_OF_RANGE]: 400,
  [Code.UNIMPLEMENTED]: 501,
  [Code.INTERNAL]: 500,
  [Code.UNAVAILABLE]: 503,
  [Code.DATA_LOSS]: 500,
  [Code.UNAUTHENTICATED]: 401,
};

const statusTexts: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** Members of an object, without those that have default values. */
function object(
  members: readonly (readonly [string, string | number])[],
  write: StringWriter,
): string {
  const written = members
    .filter(([, value]) => value !== '' && value !== 0)
    .map(([name, value]) => `"${name}":${typeof value === 'string' ? write(value) : value}`);
  return `{${written.join(',')}}`;
}

const v1 = {
  unaryString: htmlSafeString,
  streamString: htmlSafeString,
  hasJsonRoutingErrors: false,
  firstMessageCode: Code.UNKNOWN,
  typesEmptyStreams: true,
  delimitsErrors: false,
} as const;

function streamErrorV1({ code, text }: GatewayError, http: number): string {
  return object(
    [
      ['grpc_code', code],
      ['http_code', http],
      ['message', text],
      ['http_status', statusTexts[http] ?? ''],
    ],
    htmlSafeString,
  );
}

function httpStatus34(code: number): number {
  return code === Code.FAILED_PRECONDITION ? 412 : httpStatus35(code);
}

function httpStatus35(code: number): number {
  return code === Code.CANCELLED ? 408 : (statuses[code] ?? 500);
}

const etcd34: Dialect = {
  ...v1,
  decode: (bytes, type, out) => decodeJsonpb(bytes, type, out, '3.4'),
  httpStatus: httpStatus34,
  streamError: (error) => streamErrorV1(error, httpStatus34(error.code)),
  errorBody: ({ code, text }) =>
    object(
      [
        ['error', text],
        ['message', text],
        ['code', code],
      ],
      htmlSafeString,
    ),
};

const etcd35: Dialect = {
  ...v1,
  decode: (bytes, type, out) => decodeJsonpb(bytes, type, out, '3.5'),
  httpStatus: httpStatus35,
  streamError: (error) => streamErrorV1(error, httpStatus35(error.code)),
  errorBody: ({ code, text }) =>
    object(
      [
        ['error', text],
        ['code', code],
        ['message', text],
      ],
      htmlSafeString,
    ),
};

const etcd36: Dialect = {
  decode: decodeProtojson,
  unaryString: plainString,
  streamString: htmlSafeString,
  errorBody: (error) => status(error, plainString),
  streamError: (error) => status(error, htmlSafeString),
  httpStatus: (code) => (code === Code.CANCELLED ? 499 : (statuses[code] ?? 500)),
  hasJsonRoutingErrors: true,
  firstMessageCode: null,
  typesEmptyStreams: false,
  delimitsErrors: true,
};

function status({ code, text }: GatewayError, write: StringWriter): string {
  return object(
    [
      ['code', code],
      ['message', text],
    ],
    write,
  );
}

/** By the minor release of etcd 3. Later releases are like the newest one that is known. */
export function dialectOf(minor: number): Dialect {
  if (minor <= 4) return etcd34;
  return minor === 5 ? etcd35 : etcd36;
}
