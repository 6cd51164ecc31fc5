#!/usr/bin/env -S node --max-semi-space-size=8 --single-threaded-gc --no-maglev
/**
 * The entry point: passes arguments and environment to the command line, and returns its exit code. An uncaught exception
 * ends the process, because its state is then unknown.
 */
import { runCommandLine } from './cli/cli.ts';
import { ExitCode } from './cli/command.ts';
import { createLogger } from './observe/logger.ts';

function exitOnFault(error: unknown, origin: string): never {
  const stack = error instanceof Error ? error.stack : String(error);
  createLogger('fatal').fatal('fault', { origin, stack });
  process.exit(ExitCode.FAULT);
}

// Node raises an unhandled rejection as an uncaught exception, too.
process.on('uncaughtException', exitOnFault);

// Keeps the process alive while it drains: the clock's timers do not.
const { port1: keepAlive } = new MessageChannel();
keepAlive.ref();

const exitCode = await runCommandLine({
  args: process.argv.slice(2),
  environment: process.env,
  output: {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  },
});
// All work has finished, but sockets of clients may still keep the event loop alive.
process.exit(exitCode);
