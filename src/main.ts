#!/usr/bin/env -S node --max-semi-space-size=8 --single-threaded-gc --no-maglev
/**
 * The entry point: runs the command line and exits with its code. An uncaught exception ends the process.
 */
import { runCommandLine } from './cli/cli.ts';
import { ExitCode } from './cli/command.ts';
import { exitOnFault } from './observe/exit-on-fault.ts';

exitOnFault(ExitCode.FAULT);

// Keeps the process alive: the clock's timers do not, and a draining process may have no other handle.
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
// Sockets may still keep the event loop alive, but all work is done.
process.exit(exitCode);
