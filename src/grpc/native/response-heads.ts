/**
 * The header lists that the responses of one connection begin and end with. HPACK encodes those that repeat in full only once.
 *
 * A status that ends two calls in a row is the same object if it is a constant, such as the refusal of a limit. From then on
 * it is sent as a template of a few bytes: refusing thousands of calls must cost less than serving them. Any other status
 * consists of literals, so that it pushes nothing out of the table.
 */
import { HeaderTemplate } from '../../http2/hpack/encoder.ts';
import { percentEncode } from '../percent-encoding.ts';
import type { Status } from '../status.ts';
import { contentTypeOf } from './content-type.ts';

/** Of responses to requests with one subtype of `application/grpc`. */
class SubtypeHeads {
  /** Before the first message. */
  readonly head: HeaderTemplate;
  readonly subtype: string;
  readonly #headFields: readonly string[];
  #last: Status | null = null;
  #template: HeaderTemplate | null = null;

  constructor(subtype: string) {
    this.subtype = subtype;
    this.#headFields = [':status', '200', 'content-type', contentTypeOf(subtype)];
    this.head = new HeaderTemplate(this.#headFields, true);
  }

  /** Head and trailers in one list, for a call that ends without a message. */
  headAndTrailersOf(status: Status): HeaderTemplate {
    const repeats = status === this.#last;
    if (repeats && this.#template !== null) return this.#template;
    const template = new HeaderTemplate([...this.#headFields, ...trailerFields(status)], repeats);
    this.#last = status;
    this.#template = repeats ? template : null;
    return template;
  }
}

export class ResponseHeads {
  /** For an OK without text, after the head. */
  readonly okTrailers = new HeaderTemplate(['grpc-status', '0'], true);
  readonly #plain = new SubtypeHeads('');
  /** The subtype that the connection used last. Its clients use one. */
  #other: SubtypeHeads = this.#plain;

  /** Those of responses to a request with that subtype; empty for plain `application/grpc`. */
  of(subtype: string): SubtypeHeads {
    if (subtype === '') return this.#plain;
    if (subtype !== this.#other.subtype) this.#other = new SubtypeHeads(subtype);
    return this.#other;
  }

  /** The trailers after a head. */
  trailersOf(status: Status): HeaderTemplate {
    return new HeaderTemplate(trailerFields(status), false);
  }
}

function trailerFields({ code, text, trailers }: Status): readonly string[] {
  const fields = ['grpc-status', String(code)];
  if (text !== '') fields.push('grpc-message', percentEncode(text));
  fields.push(...trailers);
  return fields;
}
