/** What a command is: arguments in, exit code out. It prints through `Output` and ends the process itself only in a hurry. */
import type { Environment } from '../config/load.ts';

/** Part of the contract with whoever starts us. */
export const ExitCode = {
  /** Did what it was asked to; for a server: drained after a signal. */
  OK: 0,
  /** Something went wrong while running. */
  FAULT: 1,
  /** The command line or the configuration is wrong, and nothing was started. sysexits' EX_USAGE. */
  USAGE: 64,
} as const;

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

export interface Invocation {
  /** Without the command's own name. */
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly output: Output;
}

export interface Command {
  /** As it is typed; may be two words. */
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  run(invocation: Invocation): Promise<number>;
}
