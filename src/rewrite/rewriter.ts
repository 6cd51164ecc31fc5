/**
 * Rewriters of whole messages: visible keys and lease IDs become stored ones in requests, and the reverse in responses. Bytes
 * in, bytes out: nothing is decoded into objects, unknown fields pass in place, int64 stays exact, and enclosing lengths are
 * recomputed. One rewriter per message, compiled from the table at start-up; it keeps nothing of a message.
 */
import { asOwned, type OwnedBytes } from '../runtime/owned-bytes.ts';
import { type CompiledMessage, compileRequests, compileResponses } from './compiled.ts';
import type { WireFault } from './fault.ts';
import type { RequestTable, ResponseTable } from './field-table.ts';
import type { Mapping } from './mapping.ts';
import { Scan } from './scan.ts';

/** Visible → stored. */
export class RequestRewriter {
  readonly #message: CompiledMessage;

  constructor(message: CompiledMessage) {
    this.#message = message;
  }

  /**
   * Returns `source` itself if nothing has to change, else a new buffer. Returns a fault if the message must not be passed on.
   * A message is checked even if the namespace is empty and nothing is rewritten. `source` is never written to.
   */
  rewrite(source: Uint8Array, mapping: Mapping): Uint8Array | WireFault {
    if (!this.#message.hasRules) return source;
    return scan.rewrite(source, this.#message, mapping, false);
  }
}

/** Stored → visible. */
export class ResponseRewriter {
  /**
   * Lease IDs of the last message that carried another namespace's tag and were replaced by 0. They show that a client
   * bypasses the proxy. The caller counts them.
   */
  foreignLeases = 0;
  readonly #message: CompiledMessage;

  constructor(message: CompiledMessage) {
    this.#message = message;
  }

  /**
   * Returns `source` itself if nothing has to change, else the message rewritten in place as a view of `source`: a response
   * only gets shorter. Returns a fault if the message must not be delivered; `source` is unchanged then.
   */
  rewrite(source: OwnedBytes, mapping: Mapping): OwnedBytes | WireFault {
    this.foreignLeases = 0;
    if (!this.#message.hasRules || mapping.prefix.length === 0) return source;
    const result = scan.rewrite(source, this.#message, mapping, true);
    this.foreignLeases = scan.foreignLeases;
    return typeof result === 'string' ? result : asOwned(result);
  }
}

const scan = new Scan();

/** By message name. Throws for a table that contradicts itself. */
export function requestRewriters(table: RequestTable): ReadonlyMap<string, RequestRewriter> {
  return new Map(
    Array.from(compileRequests(table), ([name, message]) => [name, new RequestRewriter(message)]),
  );
}

/** By message name. Throws for a table that contradicts itself. */
export function responseRewriters(table: ResponseTable): ReadonlyMap<string, ResponseRewriter> {
  return new Map(
    Array.from(compileResponses(table), ([name, message]) => [name, new ResponseRewriter(message)]),
  );
}
