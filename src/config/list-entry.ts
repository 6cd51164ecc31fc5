/** Reads one entry of `tenants` or `listeners` by key. Reports problems with the line of the key. */
import type { ListEntry } from './file.ts';
import { alternatives, type Problem, suggestion } from './problem.ts';

export class ListEntryReader {
  readonly #entry: ListEntry;
  readonly #problems: Problem[];

  constructor(entry: ListEntry, problems: Problem[]) {
    this.#entry = entry;
    this.#problems = problems;
  }

  has(key: string): boolean {
    return this.#entry.fields.has(key);
  }

  text(key: string): string | undefined {
    return this.texts(key)?.at(-1);
  }

  /** The elements of a list, or undefined if the key is not set. */
  texts(key: string): readonly string[] | undefined {
    return this.#entry.fields.get(key)?.texts;
  }

  /** False if the key is not set. */
  boolean(key: string): boolean {
    return this.choice(key, ['false', 'true']) === 'true';
  }

  /** Returns the first choice if the key is not set or, after a report, if its value is not valid. */
  choice<T extends string>(key: string, choices: readonly [T, ...T[]]): T {
    const text = this.text(key);
    const found = choices.find((choice) => choice === text);
    if (text !== undefined && found === undefined) {
      const what = `must be ${alternatives(choices)}, not "${text}"`;
      this.report(key, what + suggestion(text, choices));
    }
    return found ?? choices[0];
  }

  readonly report = (key: string, what: string): void => {
    const where = this.#entry.fields.get(key)?.where ?? this.#entry.where;
    this.#problems.push({ where, what: `"${key}" ${what}` });
  };
}
