/** `etcd-bulkhead run`: the sidecar. The default command. */
import type { Command } from './command.ts';
import { configure } from './configure.ts';
import { serve } from './serve.ts';

export const run: Command = {
  name: 'run',
  summary: 'run the proxy (default command)',
  async run(invocation) {
    const configured = await configure(run, invocation, { serves: true });
    if (configured.config === null) return configured.exitCode;
    return serve(configured.config, { reload: configured });
  },
};
