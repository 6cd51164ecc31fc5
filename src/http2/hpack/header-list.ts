/**
 * A decoded header block: pseudo-header fields by name, all others in order. The HPACK decoder fills it, and it does not change
 * afterwards. One list may serve many streams if their blocks are equal. In `memo` the user of the engine caches what it
 * derived from the list.
 */
import { FieldKind, type HeaderField } from './header-field.ts';

export class HeaderList {
  method = '';
  scheme = '';
  authority = '';
  path = '';
  /** `:status`, or 0 in a request. */
  status = 0;
  /** Name, value, name, value, …: regular fields as received, one byte per character. */
  readonly fields: string[] = [];
  /** -1 without that header. */
  contentLength = -1;
  /** A field, or the order of fields, violates RFC 9113, section 8. */
  malformed = false;
  /** The list exceeded its limit, and the rest of it was dropped. */
  tooLarge = false;
  /** For the user of the engine. */
  memo: object | null = null;
  #sizeBytes = 0;
  #pseudoSeen = 0;

  /** Whether any pseudo-header field is present. */
  get hasPseudo(): boolean {
    return this.#pseudoSeen !== 0;
  }

  get hasAuthority(): boolean {
    return (this.#pseudoSeen & (1 << FieldKind.AUTHORITY)) !== 0;
  }

  /** Names and values with HPACK's overhead per field. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** RFC 9113, section 8.3.1. */
  get isRequest(): boolean {
    const required = (1 << FieldKind.METHOD) | (1 << FieldKind.SCHEME) | (1 << FieldKind.PATH);
    const allowed = required | (1 << FieldKind.AUTHORITY);
    const seen = this.#pseudoSeen;
    return !this.malformed && (seen & required) === required && (seen & ~allowed) === 0;
  }

  /** RFC 9113, section 8.3.2. */
  get isResponse(): boolean {
    return !this.malformed && this.#pseudoSeen === 1 << FieldKind.STATUS;
  }

  add(field: HeaderField, listBytesMax: number): void {
    this.#sizeBytes += field.sizeBytes;
    if (this.#sizeBytes > listBytesMax) {
      this.tooLarge = true;
      return;
    }
    switch (field.kind) {
      case FieldKind.REGULAR:
        this.fields.push(field.name, field.value);
        break;
      case FieldKind.CONTENT_LENGTH: {
        const length = Number(field.value);
        if (this.contentLength !== -1 && this.contentLength !== length) this.malformed = true;
        this.contentLength = length;
        this.fields.push(field.name, field.value);
        break;
      }
      case FieldKind.FORBIDDEN:
        this.malformed = true;
        break;
      default:
        this.#addPseudo(field);
    }
  }

  #addPseudo(field: HeaderField): void {
    const bit = 1 << field.kind;
    if ((this.#pseudoSeen & bit) !== 0 || this.fields.length > 0) this.malformed = true;
    this.#pseudoSeen |= bit;
    switch (field.kind) {
      case FieldKind.METHOD:
        this.method = field.value;
        break;
      case FieldKind.SCHEME:
        this.scheme = field.value;
        break;
      case FieldKind.AUTHORITY:
        this.authority = field.value;
        break;
      case FieldKind.PATH:
        this.path = field.value;
        break;
      default:
        this.status = Number(field.value);
    }
  }
}
