/**
 * Makes a text safe for a terminal. The admin address prints keys in ASCII, but names and messages of other programs can contain
 * anything: sequences that control the terminal, line breaks, and characters that are invisible, wide or written from right to left.
 */

const charactersMax = 1_000;

/** Everything but printable ASCII becomes `\u{…}`. */
export function safe(text: string): string {
  return text
    .slice(0, charactersMax)
    .replaceAll(/[^\x20-\x7e]/gu, (each) => `\\u{${(each.codePointAt(0) ?? 0).toString(16)}}`);
}
