/**
 * The rewriters of all messages and methods, compiled from the table once, when this module is loaded. One object per
 * message and direction for the life of the process; none keeps anything of a message beyond the call.
 */
import { compile, type Rewriter } from '../wire/rewriter.ts';
import { type MessageName, messages } from './fields.ts';
import { type Method, methods } from './methods.ts';

const applying: { readonly [name in MessageName]: Rewriter } = compile(messages, 'apply');
const stripping: { readonly [name in MessageName]: Rewriter } = compile(messages, 'strip');
const ofRequests: readonly Rewriter[] = methods.map((m) => applying[m.request]);
const ofResponses: readonly Rewriter[] = methods.map((m) => stripping[m.response]);

/** Visible → stored, for the request messages of a method. */
export function requestRewriter(method: Method): Rewriter {
  return ofRequests[method.index] as Rewriter;
}

/** Stored → visible, for the response messages of a method. */
export function responseRewriter(method: Method): Rewriter {
  return ofResponses[method.index] as Rewriter;
}

/** Visible → stored, for a message that is not the whole of a request, such as `WatchCreateRequest`. */
export function applier(message: MessageName): Rewriter {
  return applying[message];
}

/** Stored → visible, for a message that is not the whole of an answer, such as `Event`. */
export function stripper(message: MessageName): Rewriter {
  return stripping[message];
}
