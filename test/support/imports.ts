/** The import graph of TypeScript sources, read from their text, and its cycles. Used by test/tidy.test.ts only. */
import { dirname, join } from 'node:path';

const specifier =
  /^(?:import|export)\b[^'";]*?\bfrom\s*'(\.[^']+)'|^import\s*'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'\s*\)/gm;

/** Path → the paths that it imports. Type-only and dynamic imports count. */
function importGraph(sources: ReadonlyMap<string, string>): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Array.from(sources, ([path, source]) => [
      path,
      [...source.matchAll(specifier)]
        .map((match) => join(dirname(path), match.slice(1).find((each) => each) ?? ''))
        .filter((target) => sources.has(target)),
    ]),
  );
}

/** One cycle for each import that closes one, as `a → b → a`. `sources` maps paths to texts. */
export function importCycles(sources: ReadonlyMap<string, string>): readonly string[] {
  const graph = importGraph(sources);
  const done = new Set<string>();
  const path: string[] = [];
  const cycles: string[] = [];
  const visit = (file: string): void => {
    const from = path.indexOf(file);
    if (from >= 0) {
      cycles.push([...path.slice(from), file].join(' → '));
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}
