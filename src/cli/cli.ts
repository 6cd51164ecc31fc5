/** The command line: which command is meant, and its exit code. A first argument that begins with a dash means `run`. */
import { suggestion } from '../config/problem.ts';
import { checkConfig } from './check-config.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { dev } from './dev.ts';
import { grpcProxy } from './grpc-proxy.ts';
import { hashPasswordCommand } from './hash-password.ts';
import { commandList } from './help.ts';
import { printConfig } from './print-config.ts';
import { run } from './run.ts';
import { version } from './version.ts';

const commands: readonly Command[] = [
  ...[run, dev, grpcProxy, checkConfig, printConfig],
  ...[hashPasswordCommand, version],
];

/** `args` as they were typed, without the program's own name. */
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
  rest.output.err('`etcd-bulkhead --help` lists the commands\n');
  return ExitCode.USAGE;
}
