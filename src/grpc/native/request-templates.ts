/**
 * The header blocks of our requests, one template per path: what repeats from call to call is encoded once per
 * connection, and only the timeout differs.
 */
import { HeaderTemplate, literalField } from '../../http2/hpack/encoder.ts';
import { userAgent } from '../connection-policy.ts';
import type { Metadata } from '../metadata.ts';
import { formatTimeout } from '../timeout.ts';
import { appendMetadata, isLegalMetadata } from './metadata.ts';

class Entry {
  readonly metadata: Metadata;
  readonly template: HeaderTemplate;

  constructor(metadata: Metadata, template: HeaderTemplate) {
    this.metadata = metadata;
    this.template = template;
  }
}

export class RequestTemplates {
  readonly #scheme: string;
  readonly #authority: string;
  readonly #byPath = new Map<string, Entry>();

  constructor(scheme: string, authority: string) {
    this.#scheme = scheme;
    this.#authority = authority;
  }

  /** Null when the metadata cannot be sent. */
  find(path: string, metadata: Metadata): HeaderTemplate | null {
    const known = this.#byPath.get(path);
    const isSame = known !== undefined && equal(known.metadata, metadata);
    if (isSame && (known.template.repeats || metadata.length === 0)) return known.template;
    if (!isLegalMetadata(metadata)) return null;
    // Metadata has to prove that it repeats before it may displace others from the table.
    const template = this.#make(path, metadata, isSame || metadata.length === 0);
    if (known !== undefined || this.#byPath.size < pathsMax) {
      this.#byPath.set(path, new Entry(metadata, template));
    }
    return template;
  }

  #make(path: string, metadata: Metadata, repeats: boolean): HeaderTemplate {
    const fields = [
      ...[':method', 'POST', ':scheme', this.#scheme, ':path', path],
      ...[':authority', this.#authority, 'content-type', 'application/grpc'],
      ...['te', 'trailers', 'user-agent', userAgent],
    ];
    appendMetadata(fields, metadata);
    return new HeaderTemplate(fields, repeats);
  }
}

/** More than the API has methods. */
const pathsMax = 256;

function equal(one: Metadata, other: Metadata): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) {
    if (one[i] !== other[i]) return false;
  }
  return true;
}

/** `grpc-timeout` as a literal that goes behind any template; null for no timeout. */
export function timeoutField(timeoutMs: number): Buffer | null {
  if (timeoutMs === Number.POSITIVE_INFINITY) return null;
  const text = formatTimeout(timeoutMs);
  const field = Buffer.allocUnsafe(timeoutFieldHead.length + 1 + text.length);
  timeoutFieldHead.copy(field);
  field[timeoutFieldHead.length] = text.length;
  field.write(text, timeoutFieldHead.length + 1, 'latin1');
  return field;
}

// Everything of the literal but the value, whose length is the last byte of an empty one.
const timeoutFieldHead = literalField('grpc-timeout', '').subarray(0, -1);
