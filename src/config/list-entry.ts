/**
 * One element of `tenants` or `listeners`, key by key: values as they are meant, and problems with the line of the key they
 * are about.
 */
import type { ListEntry } from './file.ts';
import { type Problem, suggestion } from './problem.ts';

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

  /** A list; undefined when the key is not there. */
  texts(key: string): readonly string[] | undefined {
    return this.#entry.fields.get(key)?.texts;
  }

  /** False when the key is not there. */
  boolean(key: string): boolean {
    return this.choice(key, ['false', 'true']) === 'true';
  }

  /** The first one when the key is not there, or holds none of them: that is reported. */
  choice<T extends string>(key: string, choices: readonly [T, ...T[]]): T {
    const text = this.text(key);
    const found = choices.find((choice) => choice === text);
    if (text !== undefined && found === undefined) {
      this.report(key, `is not one of ${choices.join(', ')}${suggestion(text, choices)}`);
    }
    return found ?? choices[0];
  }

  readonly report = (key: string, what: string): void => {
    const where = this.#entry.fields.get(key)?.where ?? this.#entry.where;
    this.#problems.push({ where, what: `"${key}" ${what}` });
  };
}
