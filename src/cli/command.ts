/** The interface of a command: it receives arguments, prints through `Output` and resolves with an exit code. */
import type { Environment } from '../config/load.ts';

/** Part of the public interface: process managers and scripts depend on these codes. */
export const ExitCode = {
  /** Success. For a server: drained after a signal. */
  OK: 0,
  /** A failure at run time. */
  FAULT: 1,
  /** Invalid command line or configuration; nothing was started. EX_USAGE of sysexits.h. */
  USAGE: 64,
} as const;

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

export interface Invocation {
  /** Without the name of the command. */
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly output: Output;
}

export interface Command {
  /** May be two words. */
  readonly name: string;
  /** One line, for --help. */
  readonly summary: string;
  run(invocation: Invocation): Promise<number>;
}
