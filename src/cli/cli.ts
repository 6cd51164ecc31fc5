/** Selects the command and returns its exit code. Without a command name, or with a flag in its place, it runs `run`. */
import { suggestion } from '../config/problem.ts';
import { checkConfig } from './check-config.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { dev } from './dev.ts';
import { grpcProxy } from './grpc-proxy.ts';
import { hashPasswordCommand } from './hash-password.ts';
import { commandList } from './help.ts';
import { printConfig } from './print-config.ts';
import { run } from './run.ts';
import { shutdown } from './shutdown.ts';
import { smokeTest } from './smoke-test.ts';
import { top } from './top.ts';
import { transferCommands } from './transfer/commands.ts';
import { version } from './version.ts';
import { wait } from './wait.ts';

/** In the order of --help. */
export const commands: readonly Command[] = [
  ...[run, dev, grpcProxy, checkConfig, printConfig],
  ...transferCommands,
  ...[wait, shutdown, smokeTest, top],
  ...[hashPasswordCommand, version],
];

/** `args` does not include the name of the program. */
export async function runCommandLine({ args, ...rest }: Invocation): Promise<number> {
  const [first] = args;
  if (first === '--help' || first === '-h' || first === 'help') {
    rest.output.out(commandList(commands));
    return ExitCode.OK;
  }
  if (first === '--version') return version.run({ args: [], ...rest });
  if (first === undefined || first.startsWith('-')) return run.run({ args, ...rest });
  for (const command of commands) {
    const words = command.name.split(' ');
    if (words.every((word, index) => args[index] === word)) {
      return command.run({ args: args.slice(words.length), ...rest });
    }
  }
  const names = commands.map(({ name }) => name);
  const typed = first === 'grpc-proxy' ? args.slice(0, 2).join(' ') : first;
  rest.output.err(`etcd-bulkhead: unknown command "${typed}"${suggestion(typed, names)}\n`);
  rest.output.err('Run `etcd-bulkhead --help` for a list of commands.\n');
  return ExitCode.USAGE;
}
