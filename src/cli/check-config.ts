/** `etcd-bulkhead check-config`: everything that `run` would check before it binds a port, and nothing more. */
import { type Command, ExitCode } from './command.ts';
import { configure } from './configure.ts';

export const checkConfig: Command = {
  name: 'check-config',
  summary: 'say whether a configuration is right, and start nothing',
  async run(invocation) {
    const configured = await configure(checkConfig, invocation);
    if (configured.config === null) return configured.exitCode;
    invocation.output.out('the configuration is right\n');
    return ExitCode.OK;
  },
};
