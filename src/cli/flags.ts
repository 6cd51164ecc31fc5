/**
 * Parses command-line arguments into settings, with node:util's parser and the flags of the schema. Problems are collected,
 * so that they are reported together with those of the rest of the configuration.
 */
import { parseArgs } from 'node:util';
import type { RawValue } from '../config/file.ts';
import { type Problem, suggestion } from '../config/problem.ts';
import { isSettingName, type SettingName, settingOf } from '../config/schema.ts';

/** The flags of a command. */
export interface FlagSet {
  readonly settings: readonly SettingName[];
  /** Flags of this command that are not settings. A boolean flag needs no value. */
  readonly others: Readonly<Record<string, { readonly isBoolean: boolean }>>;
}

export interface ParsedFlags {
  readonly settings: ReadonlyMap<SettingName, RawValue>;
  readonly others: ReadonlyMap<string, string>;
  readonly wantsHelp: boolean;
  readonly problems: readonly Problem[];
}

export function parseFlags(args: readonly string[], set: FlagSet): ParsedFlags {
  const booleans = new Map<string, boolean>();
  for (const name of set.settings) {
    const { kind, isSwitch } = settingOf(name);
    booleans.set(name, kind === 'boolean' || isSwitch === true);
  }
  for (const [name, { isBoolean }] of Object.entries(set.others)) booleans.set(name, isBoolean);

  const texts = new Map<string, string[]>();
  const problems: Problem[] = [];
  let wantsHelp = false;
  let mayBeValue = false;
  for (const token of tokensOf(args, booleans)) {
    if (token.kind === 'option' && (token.name === 'help' || token.name === 'h')) {
      wantsHelp = true;
    } else if (token.kind === 'option') {
      const isBoolean = booleans.get(token.name);
      mayBeValue = isBoolean === undefined && token.inlineValue !== true;
      const text = isBoolean === undefined ? unknown(token, booleans) : textOf(token, isBoolean);
      if (typeof text !== 'string') problems.push(text);
      else texts.set(token.name, [...(texts.get(token.name) ?? []), text]);
    } else if (token.kind === 'positional') {
      // An argument after an unknown flag is most likely its value.
      if (!mayBeValue) problems.push({ where: token.value, what: 'unexpected argument' });
      mayBeValue = false;
    }
  }
  return { ...sorted(texts), wantsHelp, problems };
}

type OptionToken = Extract<ReturnType<typeof tokensOf>[number], { kind: 'option' }>;

function unknown({ rawName }: OptionToken, known: ReadonlyMap<string, unknown>): Problem {
  return {
    where: rawName,
    what: `unknown flag${suggestion(rawName, [...known.keys()].map(dashed))}`,
  };
}

function textOf(token: OptionToken, isBoolean: boolean): string | Problem {
  const text = isBoolean ? (token.value ?? 'true') : token.value;
  // The parser accepts any next argument as a value. If it looks like a flag, the value is missing.
  const isNextFlag = token.inlineValue === false && token.value?.startsWith('--') === true;
  if (text !== undefined && !isNextFlag) return text;
  return { where: token.rawName, what: 'requires a value' };
}

function tokensOf(args: readonly string[], booleans: ReadonlyMap<string, boolean>) {
  const options = Object.fromEntries(
    [...booleans].map(([name, isBoolean]) => [
      name,
      isBoolean ? ({ type: 'boolean' } as const) : ({ type: 'string', multiple: true } as const),
    ]),
  );
  return parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens;
}

function sorted(texts: ReadonlyMap<string, readonly string[]>) {
  const settings = new Map<SettingName, RawValue>();
  const others = new Map<string, string>();
  for (const [name, given] of texts) {
    if (isSettingName(name)) settings.set(name, { texts: given, where: dashed(name) });
    else others.set(name, given.at(-1) ?? '');
  }
  return { settings, others };
}

function dashed(name: string): string {
  return `--${name}`;
}
