/**
 * One header field, validated once. A field in a dynamic table is used by thousands of header lists, so its name, its value and
 * its kind are checked when it is created and not when it is used. RFC 9113, sections 8.2 and 8.3.
 */

/** How a header list treats a field. */
export const FieldKind = {
  REGULAR: 0,
  METHOD: 1,
  SCHEME: 2,
  AUTHORITY: 3,
  PATH: 4,
  STATUS: 5,
  CONTENT_LENGTH: 6,
  /** The field makes its message malformed. */
  FORBIDDEN: 7,
} as const;

/** HPACK adds this to the length of name and value. */
const fieldOverheadBytes = 32;

export class HeaderField {
  readonly name: string;
  readonly value: string;
  readonly kind: number;
  /** Name, value and overhead, as HPACK counts. */
  readonly sizeBytes: number;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.kind = kindOf(name, value);
    this.sizeBytes = name.length + value.length + fieldOverheadBytes;
  }
}

const legalName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// As in grpc-go: no control characters but the tab, which the RFC leaves to the recipient, and whitespace around a value, which
// the RFC forbids.
const illegalValue = /[^\t -~\x80-\xff]/;
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
