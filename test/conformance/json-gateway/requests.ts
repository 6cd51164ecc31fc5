/** The recorded requests, in the order in which they are sent: earlier ones write what later ones read. */

import { clientRequests } from './client-requests.ts';
import type { JsonRequest } from './exchange.ts';
import { fieldRequests } from './field-requests.ts';
import { kvRequests } from './kv-requests.ts';
import { routingRequests } from './routing-requests.ts';
import { streamRequests } from './stream-requests.ts';
import { syntaxRequests } from './syntax-requests.ts';

export const groups: Readonly<Record<string, readonly JsonRequest[]>> = {
  routing: routingRequests,
  syntax: syntaxRequests,
  'keys, leases and sessions': kvRequests,
  fields: fieldRequests,
  streams: streamRequests,
  clients: clientRequests,
};
