/** The file with the secret of stored lease IDs. Proxies of one cluster that serve the same namespaces need the same secret. */
import type { FileContents } from '../file-contents.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** As many bits as the key that is derived from it. */
const secretBytesMin = 16;

/** Empty without --lease-secret-file. A line break at the end does not belong to the secret. */
export function readLeaseSecret(
  settings: Settings,
  contents: FileContents,
  report: ProblemReporter,
): Uint8Array {
  const path = settings['lease-secret-file'];
  const text = contents.of('lease-secret-file', path, report)?.toString('latin1') ?? '';
  const secret = Buffer.from(text.replace(/\r?\n$/, ''), 'latin1');
  if (path !== '' && secret.length < secretBytesMin) {
    report('lease-secret-file', `must contain at least ${secretBytesMin} bytes`);
  }
  return secret;
}
