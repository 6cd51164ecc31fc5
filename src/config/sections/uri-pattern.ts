/**
 * Patterns that map URIs of client certificates to tenant names: `spiffe://td/ns/{ns}/sa/{sa}={ns}.{sa}`. The tenant name
 * must contain every part. If one were left out, URIs that differ only in that part would map to the same tenant.
 */
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** `spiffe://td/ns/{ns}/sa/{sa}`, and the tenant name made of its parts, for example `{ns}.{sa}`. */
export interface UriPattern {
  readonly uri: string;
  readonly tenant: string;
}

/** A scheme, a fixed authority, and path segments that are fixed or are one part in braces. */
const uriForm = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._:-]+(?:\/(?:[A-Za-z0-9._~:@-]+|\{[a-z]+\}))+$/;
/** Parts in braces with one separator between two of them. The value of a part must not contain the next separator. */
const nameForm = /^[A-Za-z0-9._-]*\{[a-z]+\}(?:[._-]\{[a-z]+\})*[A-Za-z0-9._-]*$/;

export function readUriPatterns(
  settings: Settings,
  report: ProblemReporter,
): readonly UriPattern[] {
  return settings['uri-pattern'].map((text) => {
    const [uri = '', tenant = '{tenant}'] = text.split('=', 2);
    const [parts, used] = [partsOf(uri), partsOf(tenant)];
    if (!uriForm.test(uri) || parts.length === 0) {
      report('uri-pattern', `must be a URI with whole path segments in braces, not "${uri}"`);
    } else if (!nameForm.test(tenant)) {
      report('uri-pattern', `must map to a tenant name made of parts in braces, not "${tenant}"`);
    } else if (!isSame(parts, used)) {
      const what = 'must have the same parts, each once, in the URI and in the tenant name';
      report('uri-pattern', `${what}, not ${parts.join(' ')} and ${used.join(' ')} ("${text}")`);
    }
    return { uri, tenant };
  });
}

function partsOf(text: string): readonly string[] {
  return text.match(/\{[a-z]+\}/g) ?? [];
}

function isSame(parts: readonly string[], used: readonly string[]): boolean {
  return (
    parts.length === used.length &&
    new Set(parts).size === parts.length &&
    parts.every((part) => used.includes(part))
  );
}
