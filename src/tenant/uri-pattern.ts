/**
 * A URI of a certificate → the name of a tenant, by a pattern whose parts make the name. No two URIs that differ make the
 * same name: a part that could be mistaken for the border between two of them matches nothing.
 */
import type { UriPattern } from '../config/sections/uri-pattern.ts';

/** As SPIFFE allows them in a segment of a path. */
const segment = '[A-Za-z0-9._-]+';

/** The name, or null where the URI is not one of the pattern's. */
export type NameOf = (uri: string) => string | null;

export function compileUriPattern({ uri, tenant }: UriPattern): NameOf {
  const form = new RegExp(
    `^${uri
      .split(/(\{[a-z]+\})/)
      .map((piece, index) => (index % 2 === 0 ? piece.replace(/[.+]/g, '\\$&') : `(${segment})`))
      .join('')}$`,
  );
  const parts: readonly string[] = uri.match(/\{[a-z]+\}/g) ?? [];
  // Odd elements are parts, even ones what stands between them.
  const pieces = tenant.split(/(\{[a-z]+\})/);
  return (text) => {
    const match = form.exec(text);
    if (match === null) return null;
    let name = '';
    for (const [index, piece] of pieces.entries()) {
      const value = index % 2 === 0 ? piece : (match[parts.indexOf(piece) + 1] ?? '');
      const border = pieces[index + 1] ?? '';
      const isLast = index + 2 >= pieces.length;
      if (index % 2 === 1 && !isLast && value.includes(border)) return null;
      name += value;
    }
    return name;
  };
}
