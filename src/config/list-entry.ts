/** Reads one entry of `tenants` or `listeners` by key. Reports problems with the line of the key. */
import type { ListEntry } from './file.ts';
import { alternatives, type Problem, type ProblemReporter, suggestion } from './problem.ts';
import { type SettingName, settingOf } from './schema.ts';
import { InvalidValue, readValue } from './values.ts';

export class ListEntryReader<Key extends string> {
  readonly #entry: ListEntry<Key>;
  readonly #problems: Problem[];

  constructor(entry: ListEntry<Key>, problems: Problem[]) {
    this.#entry = entry;
    this.#problems = problems;
  }

  has(key: Key): boolean {
    return this.#entry.fields.has(key);
  }

  text(key: Key): string | undefined {
    return this.texts(key)?.at(-1);
  }

  /** The elements of a list, or undefined if the key is not set. */
  texts(key: Key): readonly string[] | undefined {
    return this.#entry.fields.get(key)?.texts;
  }

  boolean(key: Key, ifNotSet = false): boolean {
    return this.has(key) ? this.choice(key, ['false', 'true']) === 'true' : ifNotSet;
  }

  /** The value of a key that replaces the setting of the same name, in the same format and with the same bounds. */
  number(key: Key & SettingName, ifNotSet: number): number {
    const texts = this.texts(key);
    if (texts === undefined) return ifNotSet;
    const setting = settingOf(key);
    const value = readValue(setting.kind, texts, setting);
    if (typeof value === 'number') return value;
    if (value instanceof InvalidValue) this.report(key, value.reason);
    return ifNotSet;
  }

  /** Returns the first choice if the key is not set or, after a report, if its value is not valid. */
  choice<T extends string>(key: Key, choices: readonly [T, ...T[]]): T {
    const text = this.text(key);
    const found = choices.find((choice) => choice === text);
    if (text !== undefined && found === undefined) {
      const what = `must be ${alternatives(choices)}, not "${text}"`;
      this.report(key, what + suggestion(text, choices));
    }
    return found ?? choices[0];
  }

  /** A key that is not set, or not of this entry, is reported at the line of the entry. */
  readonly report: ProblemReporter = (key, what) => {
    const where = this.#entry.fields.get(key as Key)?.where ?? this.#entry.where;
    this.#problems.push({ where, what: `"${key}" ${what}` });
  };
}
