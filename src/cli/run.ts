/** `etcd-bulkhead run`: the sidecar. The command that is meant when none is named. */
import type { Command } from './command.ts';
import { configure } from './configure.ts';
import { serve } from './serve.ts';

export const run: Command = {
  name: 'run',
  summary: 'the proxy; `run` may be left out',
  async run(invocation) {
    const configured = await configure(run, invocation);
    if (configured.config === null) return configured.exitCode;
    return serve(configured.config, { reload: configured });
  },
};
