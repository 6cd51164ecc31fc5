/** One JSON value as a message of a method's request type. */
import { Code, type Status, status } from '../../grpc/status.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { JsonContext } from './context.ts';
import { MessageOutput } from './message-output.ts';

/** etcd has sent bytes that are not a message of the API. */
export const malformedResponse: Status = status(
  Code.INTERNAL,
  'etcd-bulkhead: the response is not a valid message',
);

/** `value` is one that a ValueScanner has found valid. Returns the text of an error, or the message. */
export function readMessage({ dialect, types }: JsonContext, value: Buffer): OwnedBytes | string {
  // Base64 is longer than what it means.
  const out = new MessageOutput(value.length);
  return dialect.decode(value, types.request, out) ?? out.take();
}
