/**
 * The rewriters of all messages and methods, compiled from the table of fields when this module is loaded. One object per
 * message and direction for the life of the process.
 */
import {
  type RequestRewriter,
  type ResponseRewriter,
  requestRewriters,
  responseRewriters,
} from '../rewrite/rewriter.ts';
import { type RequestName, type ResponseName, requests, responses } from './fields.ts';
import { type Method, methods } from './methods.ts';

const applying = requestRewriters(requests);
const stripping = responseRewriters(responses);
const ofRequests = methods.map((method) => applier(method.request));
const ofResponses = methods.map((method) => stripper(method.response));

/** Visible → stored, for the request messages of a method. */
export function requestRewriter(method: Method): RequestRewriter {
  return ofRequests[method.index] as RequestRewriter;
}

/** Stored → visible, for the response messages of a method. */
export function responseRewriter(method: Method): ResponseRewriter {
  return ofResponses[method.index] as ResponseRewriter;
}

/** Visible → stored, also for a message that is only part of a request, such as `WatchCreateRequest`. */
export function applier(message: RequestName): RequestRewriter {
  return applying.get(message) as RequestRewriter;
}

/** Stored → visible, also for a message that is only part of a response, such as `Event`. */
export function stripper(message: ResponseName): ResponseRewriter {
  return stripping.get(message) as ResponseRewriter;
}
