/**
 * The prose of the repository: the comments and string literals of TypeScript sources, documents without their code
 * spans, and the list of words to avoid from docs/glossary.md. Used by test/tidy.test.ts only.
 */

export interface Literal {
  readonly text: string;
  /** The specifier of an import or export: a path and not prose. */
  readonly isSpecifier: boolean;
}

export interface SourceText {
  /** Block comments, and runs of line comments, in order; markers and line breaks are removed. */
  readonly comments: readonly string[];
  /** String literals and template literals; `…` takes the place of each expression in a template. */
  readonly literals: readonly Literal[];
}

/** Tokens that matter here. A regular expression literal is recognised by what precedes it, see `mayStartRegex`. */
const token =
  /\/\*[\s\S]*?\*\/|(?:\/\/[^\n]*(?:\n[ \t]*(?=\/\/))?)+|'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"|[`{}/]/g;
const regexLiteral = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const templateText = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;

/** Splits a TypeScript source into comments and literals. Code between them is skipped. */
export function sourceText(source: string): SourceText {
  const comments: string[] = [];
  const literals: Literal[] = [];
  /** One entry per open brace: null, or the text so far of the template whose expression it encloses. */
  const braces: (string | null)[] = [];
  let at = 0;

  const template = (before: string): void => {
    templateText.lastIndex = at;
    const text = before + (templateText.exec(source)?.[0] ?? '');
    at = templateText.lastIndex;
    if (source[at] === '$') {
      at += 2;
      braces.push(`${text}…`);
    } else {
      at += 1;
      literals.push({ text, isSpecifier: false });
    }
  };

  for (;;) {
    token.lastIndex = at;
    const match = token.exec(source);
    if (match === null) return { comments, literals };
    const [found] = match;
    at = token.lastIndex;
    if (found.startsWith('/*') || found.startsWith('//')) comments.push(withoutMarkers(found));
    else if (found === '`') template('');
    else if (found === '{') braces.push(null);
    else if (found === '}') {
      const enclosing = braces.pop() ?? null;
      if (enclosing !== null) template(enclosing);
    } else if (found === '/') {
      if (!mayStartRegex(source, match.index)) continue;
      regexLiteral.lastIndex = match.index;
      if (regexLiteral.test(source)) at = regexLiteral.lastIndex;
    } else {
      const isSpecifier = /(?:\bfrom|\bimport|\bimport\()\s*$/.test(source.slice(0, match.index));
      literals.push({ text: found.slice(1, -1), isSpecifier });
    }
  }
}

/** A slash after a value divides; after an operator, a bracket or a keyword it starts a regular expression. */
function mayStartRegex(source: string, at: number): boolean {
  return /(?:^|[(,=:[!&|?{};+\n]|=>|\breturn)\s*$/.test(source.slice(Math.max(0, at - 80), at));
}

function withoutMarkers(comment: string): string {
  return comment
    .replace(/^\/\*+|\*+\/$/g, '')
    .replace(/^[ \t]*(?:\/\/+|\*)/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Words to avoid, compiled from the second table of docs/glossary.md. */
export class AvoidList {
  readonly #avoided: readonly RegExp[];
  readonly #fine: readonly RegExp[];

  constructor(glossary: string) {
    const table = glossary.slice(glossary.indexOf('## Words to avoid'));
    const rows = [...table.matchAll(/^\|(?! avoid| ---)(.*)\|$/gm)].map(([, row = '']) =>
      row.split('|').map(spans),
    );
    this.#avoided = patterns(rows.flatMap(([avoided = []]) => avoided));
    this.#fine = patterns(rows.flatMap(([, , fine = []]) => fine));
  }

  get size(): number {
    return this.#avoided.length;
  }

  /** Every avoided phrase in `text`, with the words around it. Code spans are not checked. */
  findings(text: string): readonly string[] {
    let prose = text.replace(/`[^`\n]*`/g, '`…`');
    for (const fine of this.#fine) prose = prose.replace(fine, (found) => '-'.repeat(found.length));
    const hits = this.#avoided.flatMap((avoided) =>
      [...prose.matchAll(avoided)].map((match) => ({ from: match.index, length: match[0].length })),
    );
    // Phrases of the list overlap, for example "nobody" and "nobody's": one place counts once, for its longest phrase.
    hits.sort((a, b) => a.from - b.from || b.length - a.length);
    let end = 0;
    const findings: string[] = [];
    for (const { from, length } of hits) {
      if (from < end) continue;
      end = from + length;
      findings.push(prose.slice(Math.max(0, from - 30), end + 30).replace(/\s+/g, ' '));
    }
    return findings;
  }
}

function spans(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
}

/** Whole words only: neither letters, digits and underscores next to them, nor a dot or hyphen that joins an identifier. */
function patterns(phrases: readonly string[]): RegExp[] {
  return phrases.map((phrase) => {
    const words = phrase.replaceAll("'", "['’]").replace(/\s+/g, '\\s+');
    const isSentenceStart = /^[A-Z]/.test(phrase);
    return new RegExp(
      `(?<![\\w.'’-])${words}(?:['’]s)?(?![\\w'’-]|\\.\\w)`,
      isSentenceStart ? 'g' : 'gi',
    );
  });
}
