/**
 * Maps a URI of a certificate to the name of a tenant by a pattern with placeholders. Two different URIs never map to the
 * same name: a value that contains the text between two placeholders of the name does not match.
 */
import type { UriPattern } from '../config/sections/uri-pattern.ts';

/** The characters that SPIFFE allows in a path segment. */
const segment = '[A-Za-z0-9._-]+';

/** Returns null if the URI does not match the pattern. */
export type NameOf = (uri: string) => string | null;

export function compileUriPattern({ uri, tenant }: UriPattern): NameOf {
  const form = new RegExp(
    `^${uri
      .split(/(\{[a-z]+\})/)
      .map((piece, index) => (index % 2 === 0 ? piece.replace(/[.+]/g, '\\$&') : `(${segment})`))
      .join('')}$`,
  );
  const placeholders: readonly string[] = uri.match(/\{[a-z]+\}/g) ?? [];
  // Odd elements are placeholders, even ones the text between them.
  const pieces = tenant.split(/(\{[a-z]+\})/);
  return (text) => {
    const match = form.exec(text);
    if (match === null) return null;
    let name = '';
    for (const [index, piece] of pieces.entries()) {
      const value = index % 2 === 0 ? piece : (match[placeholders.indexOf(piece) + 1] ?? '');
      const delimiter = pieces[index + 1] ?? '';
      const isLast = index + 2 >= pieces.length;
      if (index % 2 === 1 && !isLast && value.includes(delimiter)) return null;
      name += value;
    }
    return name;
  };
}
