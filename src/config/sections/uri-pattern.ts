/**
 * Patterns of certificates' URIs whose parts name the tenant, `spiffe://td/ns/{ns}/sa/{sa}={ns}.{sa}`. Every part that may
 * vary has to be part of the name: one that is left out would make whoever differs in it the same tenant.
 */
import type { ProblemReporter } from '../read-file.ts';
import type { Settings } from '../schema.ts';

/** `spiffe://td/ns/{ns}/sa/{sa}`, and the tenant name made of its parts, for example `{ns}.{sa}`. */
export interface UriPattern {
  readonly uri: string;
  readonly tenant: string;
}

/** A scheme, an authority that is fixed, and segments: whole ones in braces, or fixed. */
const uriForm = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._:-]+(?:\/(?:[A-Za-z0-9._~:@-]+|\{[a-z]+\}))+$/;
/** Parts in braces, and one character between two of them: their border, which the one before it may not contain. */
const nameForm = /^[A-Za-z0-9._-]*\{[a-z]+\}(?:[._-]\{[a-z]+\})*[A-Za-z0-9._-]*$/;

export function readUriPatterns(
  settings: Settings,
  report: ProblemReporter,
): readonly UriPattern[] {
  return settings['uri-pattern'].map((text) => {
    const [uri = '', tenant = '{tenant}'] = text.split('=', 2);
    const [parts, used] = [partsOf(uri), partsOf(tenant)];
    if (!uriForm.test(uri) || parts.length === 0) {
      report('uri-pattern', `"${uri}" is not a URI with whole segments in braces`);
    } else if (!nameForm.test(tenant)) {
      report('uri-pattern', `"${tenant}" is not a tenant's name made of parts in braces`);
    } else if (!isSame(parts, used)) {
      const what = `"${text}": the URI has ${parts.join(' ')} and the name ${used.join(' ')}`;
      report('uri-pattern', `${what}; each part must stand once in both`);
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
