/** The fields of a call that its lines in every log have. */
import { codeName } from './call-counters.ts';
import type { CallRecord } from './events.ts';
import type { Fields } from './logger.ts';

export function isStream({ call: { method } }: CallRecord): boolean {
  return method.requestStream || method.responseStream;
}

/** From the start of the call. */
export function callFields({ call }: CallRecord): Fields {
  return {
    method: call.method.name,
    tenant: call.tenant?.name,
    listener: call.peer.listener,
    ...(call.peer.remote !== '' && { remote: call.peer.remote }),
  };
}

/** From the end of the call: also those above. */
export function endFields(record: CallRecord): Fields {
  return {
    ...callFields(record),
    code: codeName(record.code),
    ms: Math.round(record.durationMs * 1000) / 1000,
    requestBytes: record.requestBytes,
    responseBytes: record.responseBytes,
    ...(isStream(record) && {
      requestMessages: record.requestMessages,
      responseMessages: record.responseMessages,
    }),
    ...(record.text !== '' && { text: record.text }),
    ...(record.isCancelled && { cancelled: true }),
    ...record.operation,
  };
}
