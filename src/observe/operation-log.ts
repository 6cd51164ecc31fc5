/**
 * Logs every operation at `debug`: a unary call when it ends, and a stream when it opens, with each of its messages, and when it
 * closes. Loaded only at that level.
 */
import { callFields, endFields, isStream } from './call-fields.ts';
import type { CallEvents } from './events.ts';
import type { KeyText } from './key-text.ts';
import type { Logger } from './logger.ts';
import { describeRequest, describeResponse } from './operation.ts';

export function operationLog(logger: Logger, keys: KeyText): CallEvents {
  return {
    opened: (record) => logger.debug('stream opened', callFields(record)),
    request: (record, message) => {
      const request = describeRequest(record.call.method.request, message, keys);
      if (isStream(record)) logger.debug('stream request', { ...callFields(record), request });
      else record.operation = { request };
    },
    response: (record, head, tail) => {
      const message = tail.length === 0 ? head : Buffer.concat([head, tail]);
      const response = describeResponse(record.call.method.response, message, keys);
      if (isStream(record)) logger.debug('stream response', { ...callFields(record), response });
      else record.operation = { ...record.operation, response };
    },
    ended: (record) => logger.debug(isStream(record) ? 'stream closed' : 'call', endFields(record)),
    rejected: null,
  };
}
