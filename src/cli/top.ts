/** `etcd-bulkhead top`: what the tenants of a running proxy do, in a terminal. The program of the command is loaded when it runs. */
import { type Command, ExitCode } from './command.ts';

export const top: Command = {
  name: 'top',
  summary: 'show tenants, busy keys and findings of a running proxy',
  async run(invocation) {
    const { readTopOptions, topHelp } = await import('./top/options.ts');
    const options = readTopOptions(invocation);
    if (options === 'help') {
      invocation.output.out(topHelp);
      return ExitCode.OK;
    }
    if (!('address' in options)) {
      for (const problem of options) invocation.output.err(`etcd-bulkhead top: ${problem}\n`);
      return ExitCode.USAGE;
    }
    const { runTop } = await import('./top/run-top.ts');
    return runTop(options);
  },
};
