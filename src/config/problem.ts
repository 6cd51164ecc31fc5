/** An error in a configuration. Problems are collected and not thrown, so that an operator sees all of them at once. */
export interface Problem {
  /** The origin of the value: a flag, an environment variable, or `file:line`. */
  readonly where: string;
  readonly what: string;
  /** Name of the tenant that the problem is about. Set by tenant/, which does not know the lines of the file. */
  readonly tenant?: string;
}

/** Reports a problem with a setting, or with a key of a list entry. `what` follows the name: "requires --key". */
export type ProblemReporter = (setting: string, what: string) => void;

/** The problem as one line of text. */
export function formatProblem(problem: Problem): string {
  return `${problem.where}: ${problem.what}`;
}

/** `a, b or c`. */
export function alternatives(choices: readonly string[]): string {
  return choices.join(', ').replace(/, ([^,]*)$/, ' or $1');
}

/** `; did you mean "x"?`, or an empty text if no candidate is similar. */
export function suggestion(given: string, candidates: readonly string[]): string {
  // At most a third of the letters may differ. More would suggest unrelated words.
  let best = Math.max(1, Math.floor(given.length / 3)) + 1;
  let nearest = '';
  for (const candidate of candidates) {
    const distance = editDistance(given, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest === '' ? '' : `; did you mean "${nearest}"?`;
}

/** Levenshtein distance: the number of letters to add, remove or replace. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
