/** `etcd-bulkhead check-config`: makes every check that `run` makes before it binds a port, then exits. */
import { type Command, ExitCode } from './command.ts';
import { configure } from './configure.ts';

export const checkConfig: Command = {
  name: 'check-config',
  summary: 'check a configuration and exit',
  async run(invocation) {
    const configured = await configure(checkConfig, invocation);
    if (configured.config === null) return configured.exitCode;
    invocation.output.out('the configuration is valid\n');
    return ExitCode.OK;
  },
};
