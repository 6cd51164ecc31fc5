/**
 * Rewriters of whole messages: requests from visible to stored keys and lease IDs, responses from stored to visible ones.
 * They work on bytes: no message is decoded into objects, fields without a rule keep their place, int64 stays exact, and enclosing
 * lengths are recomputed. One rewriter per message type, compiled from the table at start-up. It retains no message bytes.
 */
import { asOwned, type OwnedBytes } from '../runtime/owned-bytes.ts';
import { type CompiledMessage, compileRequests, compileResponses } from './compiled.ts';
import type { RewriteFault } from './fault.ts';
import type { RequestTable, ResponseTable } from './field-table.ts';
import type { Mapping } from './mapping.ts';
import { Scan } from './scan.ts';

/** Visible → stored. */
export class RequestRewriter {
  /** After the fault `field-unknown`: the message and the number of the field. */
  unknownField = '';
  readonly #message: CompiledMessage;

  constructor(message: CompiledMessage) {
    this.#message = message;
  }

  /**
   * Returns `source` itself if nothing has to change, otherwise a new buffer. Returns a fault if the message must not be passed
   * on. Messages are checked even if the namespace is empty. `source` is not modified.
   */
  rewrite(source: Uint8Array, mapping: Mapping): Uint8Array | RewriteFault {
    if (!this.#message.hasRules) return source;
    const result = scan.rewrite(source, this.#message, mapping, false);
    if (result === 'field-unknown') {
      this.unknownField = `${scan.unknownMessage} ${scan.unknownField}`;
    }
    return result;
  }
}

/** Stored → visible. */
export class ResponseRewriter {
  /**
   * Number of foreign lease IDs in the last message, which were replaced by 0. They show that a client bypasses the proxy.
   * The caller counts them.
   */
  foreignLeases = 0;
  readonly #message: CompiledMessage;

  constructor(message: CompiledMessage) {
    this.#message = message;
  }

  /**
   * Returns `source` itself if nothing has to change, otherwise a view of `source`, rewritten in place: a response only gets
   * shorter. Returns a fault if the message must not be delivered; `source` is then unchanged.
   */
  rewrite(source: OwnedBytes, mapping: Mapping): OwnedBytes | RewriteFault {
    this.foreignLeases = 0;
    if (!this.#message.hasRules || mapping.prefix.length === 0) return source;
    const result = scan.rewrite(source, this.#message, mapping, true);
    this.foreignLeases = scan.foreignLeases;
    return typeof result === 'string' ? result : asOwned(result);
  }
}

const scan = new Scan();

/** By message name. Throws if the table contradicts itself. */
export function requestRewriters(table: RequestTable): ReadonlyMap<string, RequestRewriter> {
  return new Map(
    Array.from(compileRequests(table), ([name, message]) => [name, new RequestRewriter(message)]),
  );
}

/** By message name. Throws if the table contradicts itself. */
export function responseRewriters(table: ResponseTable): ReadonlyMap<string, ResponseRewriter> {
  return new Map(
    Array.from(compileResponses(table), ([name, message]) => [name, new ResponseRewriter(message)]),
  );
}
