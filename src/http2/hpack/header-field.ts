/**
 * One header field, judged once. A field of a dynamic table is used by thousands of header lists, so whether its name
 * and value are legal, and whether it is one of the pseudo-header fields, is found out when it is made and not when
 * it is used. RFC 9113, section 8.2 and 8.3.
 */

/** What a field is to a header list. */
export const FieldKind = {
  REGULAR: 0,
  METHOD: 1,
  SCHEME: 2,
  AUTHORITY: 3,
  PATH: 4,
  STATUS: 5,
  CONTENT_LENGTH: 6,
  /** A field that makes any message that carries it malformed. */
  FORBIDDEN: 7,
} as const;

/** Added to the length of name and value wherever sizes of header lists and tables are counted. */
const fieldOverheadBytes = 32;

export class HeaderField {
  readonly name: string;
  readonly value: string;
  readonly kind: number;
  /** As HPACK counts: name, value and 32. */
  readonly sizeBytes: number;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.kind = kindOf(name, value);
    this.sizeBytes = name.length + value.length + fieldOverheadBytes;
  }
}

const legalName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// Space around a value is let pass, against the letter of the RFC and with grpc-go.
const illegalValue = /[\0\r\n]/;
const decimal = /^\d{1,15}$/;
const statusCode = /^\d{3}$/;

function kindOf(name: string, value: string): number {
  if (illegalValue.test(value)) return FieldKind.FORBIDDEN;
  switch (name) {
    case ':method':
      return FieldKind.METHOD;
    case ':scheme':
      return FieldKind.SCHEME;
    case ':authority':
      return FieldKind.AUTHORITY;
    case ':path':
      return value === '' ? FieldKind.FORBIDDEN : FieldKind.PATH;
    case ':status':
      return statusCode.test(value) ? FieldKind.STATUS : FieldKind.FORBIDDEN;
    case 'content-length':
      return decimal.test(value) ? FieldKind.CONTENT_LENGTH : FieldKind.FORBIDDEN;
    case 'te':
      return value === 'trailers' ? FieldKind.REGULAR : FieldKind.FORBIDDEN;
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
      return FieldKind.FORBIDDEN;
    default:
      return legalName.test(name) ? FieldKind.REGULAR : FieldKind.FORBIDDEN;
  }
}
