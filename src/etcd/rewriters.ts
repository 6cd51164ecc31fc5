/** The rewriters of all methods and messages, compiled from the field tables when this module is loaded. */
import {
  type RequestRewriter,
  type ResponseRewriter,
  requestRewriters,
  responseRewriters,
} from '../rewrite/rewriter.ts';
import { type RequestName, type ResponseName, requests, responses } from './fields.ts';
import { type Method, methods } from './methods.ts';

const requestsByName = requestRewriters(requests);
const responsesByName = responseRewriters(responses);
const requestsByMethod = methods.map((method) => requestMessageRewriter(method.request));
const responsesByMethod = methods.map((method) => responseMessageRewriter(method.response));

/** Visible → stored, for the requests of a method. */
export function requestRewriter(method: Method): RequestRewriter {
  return requestsByMethod[method.index] as RequestRewriter;
}

/** Stored → visible, for the responses of a method. */
export function responseRewriter(method: Method): ResponseRewriter {
  return responsesByMethod[method.index] as ResponseRewriter;
}

/** Visible → stored. Also for a message that is part of a request, for example `WatchCreateRequest`. */
export function requestMessageRewriter(message: RequestName): RequestRewriter {
  return requestsByName.get(message) as RequestRewriter;
}

/** Stored → visible. Also for a message that is part of a response, for example `Event`. */
export function responseMessageRewriter(message: ResponseName): ResponseRewriter {
  return responsesByName.get(message) as ResponseRewriter;
}
