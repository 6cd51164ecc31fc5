/**
 * The header blocks of outgoing requests, one template per path. Fields that repeat from call to call are encoded once per
 * connection; only the timeout is encoded per call.
 */
import { HeaderTemplate, literalField } from '../../http2/hpack/encoder.ts';
import { userAgent } from '../connection-policy.ts';
import type { Metadata } from '../metadata.ts';
import { formatTimeout } from '../timeout.ts';
import { appendMetadata, isLegalMetadata } from './metadata.ts';

/** Greater than the number of methods in the API. */
const pathsMax = 256;

class CachedTemplate {
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
  readonly #byPath = new Map<string, CachedTemplate>();

  constructor(scheme: string, authority: string) {
    this.#scheme = scheme;
    this.#authority = authority;
  }

  /** Returns null if the metadata is not valid in a header. */
  find(path: string, metadata: Metadata): HeaderTemplate | null {
    const cached = this.#byPath.get(path);
    const isSame = cached !== undefined && equal(cached.metadata, metadata);
    if (isSame && cached.template.repeats) return cached.template;
    if (!isLegalMetadata(metadata)) return null;
    // Only metadata that was seen before may use, and evict entries from, HPACK's dynamic table.
    const template = this.#make(path, metadata, isSame || metadata.length === 0);
    if (cached !== undefined || this.#byPath.size < pathsMax) {
      this.#byPath.set(path, new CachedTemplate(metadata, template));
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

function equal(one: Metadata, other: Metadata): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) {
    if (one[i] !== other[i]) return false;
  }
  return true;
}

/** `grpc-timeout` as a literal that is appended to a template; null without a timeout. */
export function timeoutField(timeoutMs: number): Buffer | null {
  if (timeoutMs === Number.POSITIVE_INFINITY) return null;
  const text = formatTimeout(timeoutMs);
  const field = Buffer.allocUnsafe(timeoutFieldHead.length + 1 + text.length);
  timeoutFieldHead.copy(field);
  field[timeoutFieldHead.length] = text.length;
  field.write(text, timeoutFieldHead.length + 1, 'latin1');
  return field;
}

// The literal without its value. The last byte of a literal with an empty value is the length of the value.
const timeoutFieldHead = literalField('grpc-timeout', '').subarray(0, -1);
