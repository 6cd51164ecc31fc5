/**
 * The file with the keys that sign session tokens, one key a line. Processes with a key in common accept each other's tokens.
 * The first key signs, and every key is accepted, so that a key can be replaced without an end of sessions.
 */
import type { FileContents } from '../file-contents.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** As many as the output of the hash has. `openssl rand -base64 32` writes 44. */
const keyBytesMin = 32;
/** A rotation needs two. Each token that is unknown here is compared with all of them. */
const keysMax = 8;

/** Empty without --token-key-file. Spaces around a key and empty lines are ignored. */
export function readTokenKeys(
  settings: Settings,
  contents: FileContents,
  report: ProblemReporter,
): readonly Uint8Array[] {
  const path = settings['token-key-file'];
  const bytes = contents.of('token-key-file', path, report);
  if (bytes === null) return [];
  const lines = bytes.toString('latin1').split('\n');
  const texts = lines.map((line) => line.trim()).filter((line) => line !== '');
  // Problems do not quote lines: they are secrets.
  if (texts.length === 0) report('token-key-file', 'must contain a key');
  if (texts.length > keysMax) report('token-key-file', `must contain at most ${keysMax} keys`);
  if (new Set(texts).size < texts.length) report('token-key-file', 'contains a key twice');
  if (texts.some((text) => text.length < keyBytesMin)) {
    report('token-key-file', `must contain keys of at least ${keyBytesMin} bytes, one a line`);
  }
  return texts.map((text) => Buffer.from(text, 'latin1'));
}
