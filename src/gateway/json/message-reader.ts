/** One JSON value as a message of a method's request type. */
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { JsonContext } from './context.ts';
import { MessageOutput } from './message-output.ts';

/** `value` is one that a ValueScanner has found valid. Returns the text of an error, or the message. */
export function readMessage({ dialect, types }: JsonContext, value: Buffer): OwnedBytes | string {
  // Base64 is longer than what it means.
  const out = new MessageOutput(value.length);
  return dialect.decode(value, types.request, out) ?? out.take();
}
