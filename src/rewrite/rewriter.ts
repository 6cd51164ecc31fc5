/**
 * Turns messages with visible keys and lease IDs into messages with stored ones, and back. Bytes in, bytes out: nothing is
 * decoded into objects, unknown fields pass in place, int64 stays exact, enclosing lengths are recomputed. Made once per
 * message and direction from the table; holds nothing of a message beyond the call.
 */
import { type CompiledMessage, compileRequests, compileResponses } from './compiled.ts';
import type { WireFault } from './fault.ts';
import type { RequestTable, ResponseTable } from './field-table.ts';
import type { Mapping } from './mapping.ts';
import { Scan } from './scan.ts';

export class Rewriter {
  /**
   * How many lease IDs of the last message had another namespace's tag and were shown as 0, which means that somebody
   * writes around the proxy. The caller counts them.
   */
  foreignLeases = 0;
  readonly #message: CompiledMessage;
  readonly #isResponse: boolean;

  constructor(message: CompiledMessage, isResponse: boolean) {
    this.#message = message;
    this.#isResponse = isResponse;
  }

  /**
   * Returns `source` itself when nothing had to change, and a fault when it must not be passed on; both times `source` is as
   * it was. Else a request becomes a new buffer that nobody else holds, and a response, which only ever gets shorter, is
   * changed where it stands: `source` is then the caller's no more, and what is returned is a view of it. Requests are checked
   * also where nothing is rewritten, in the empty namespace. Never throws.
   */
  rewrite(source: Uint8Array, mapping: Mapping): Uint8Array | WireFault {
    this.foreignLeases = 0;
    if (!this.#message.hasRules) return source;
    if (this.#isResponse && mapping.prefix.length === 0) return source;
    const result = scan.rewrite(source, this.#message, mapping, this.#isResponse);
    this.foreignLeases = scan.foreignLeases;
    return result;
  }
}

const scan = new Scan();

/** Rewriters visible → stored, by message name. Throws for a table that contradicts itself. */
export function requestRewriters(table: RequestTable): ReadonlyMap<string, Rewriter> {
  return rewriters(compileRequests(table), false);
}

/** Rewriters stored → visible, by message name. Throws for a table that contradicts itself. */
export function responseRewriters(table: ResponseTable): ReadonlyMap<string, Rewriter> {
  return rewriters(compileResponses(table), true);
}

function rewriters(
  compiled: ReadonlyMap<string, CompiledMessage>,
  isResponse: boolean,
): ReadonlyMap<string, Rewriter> {
  return new Map(
    Array.from(compiled, ([name, message]) => [name, new Rewriter(message, isResponse)]),
  );
}
