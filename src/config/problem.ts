/**
 * What is wrong with a configuration, one mistake each. Problems are collected, never thrown, because an operator wants
 * to see all of them at once.
 */
export interface Problem {
  /** Where it was said: a flag, an environment variable, or `file:line`. */
  readonly where: string;
  readonly what: string;
  /** Name of the tenant that the problem is about. Set by tenant/, which does not know lines of the file. */
  readonly tenant?: string;
}

/** One line per problem, as the commands print them. */
export function formatProblem(problem: Problem): string {
  return `${problem.where}: ${problem.what}`;
}

/** `; did you mean "x"?`, or nothing when no candidate is near. */
export function suggestion(given: string, candidates: readonly string[]): string {
  // A third of the letters may be wrong: enough for typing errors, too little to guess at other words.
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

/** Letters to add, drop or replace to get from one word to the other (Levenshtein). */
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
