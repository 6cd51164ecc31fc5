#!/usr/bin/env -S node --max-semi-space-size=8 --single-threaded-gc --no-maglev
/**
 * The entry of the program: hands arguments and environment to the command line, and its answer to the operating system.
 * A fault that nobody caught ends the process, because nothing is known any more about what it would do next.
 */
import { runCommandLine } from './cli/cli.ts';
import { ExitCode } from './cli/command.ts';
import { createLogger } from './observe/logger.ts';

function endOnFault(error: unknown, origin: string): never {
  const stack = error instanceof Error ? error.stack : String(error);
  createLogger('fatal').fatal('fault', { origin, stack });
  process.exit(ExitCode.FAULT);
}

// Both kinds arrive here: a rejection that nobody handles becomes an uncaught exception.
process.on('uncaughtException', endOnFault);

// The clock's timers do not keep a process alive, and while one drains it may have nothing else. This does.
const { port1: held } = new MessageChannel();
held.ref();

const exitCode = await runCommandLine({
  args: process.argv.slice(2),
  environment: process.env,
  output: {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  },
});
// The sockets of others may still hold the loop; what had to be finished has been.
process.exit(exitCode);
