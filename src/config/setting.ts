/** The types of a row of the table of settings. */
import type { ParsedAddress, ParsedEndpoint } from './address.ts';

/** The type of the value of each kind of setting. Durations are in milliseconds. */
export interface ValueOf {
  text: string;
  list: readonly string[];
  file: string;
  boolean: boolean;
  integer: number;
  duration: number;
  bytes: number;
  choice: string;
  address: ParsedAddress | null;
  addresses: readonly ParsedAddress[];
  endpoints: readonly ParsedEndpoint[];
}

export type Kind = keyof ValueOf;

/** Whether a reload applies a changed value, or only a restart of the process does. */
export type Reload = 'applied' | 'restart';

/** Groups the settings in --help. */
export type Section =
  | 'etcd'
  | 'clients'
  | 'namespace'
  | 'limits'
  | 'resilience'
  | 'shutdown'
  | 'operation';

export interface Setting {
  readonly kind: Kind;
  /** As text, parsed like a configured value. */
  readonly default: string;
  readonly section: Section;
  readonly reload: Reload;
  /** One or two sentences, for --help and docs/config.md. */
  readonly doc: string;
  readonly choices?: readonly string[];
  /** A choice with `on` and `off`, for which `true` and `false` are other spellings. The flag needs no value and then means `on`. */
  readonly isSwitch?: true;
  /** Inclusive bounds, in the unit of the value: milliseconds, bytes or a count. */
  readonly min?: number;
  readonly max?: number;
  /** `fixed`: the `dev` command sets the value itself and has no such flag. `only`: only `dev` has this flag. */
  readonly dev?: 'fixed' | 'only';
  /** Can only be set by a flag or an environment variable. */
  readonly notInFile?: true;
}
