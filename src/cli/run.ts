/** `etcd-bulkhead run`: the sidecar. The default command. Other commands do not load what it serves with. */
import type { Command } from './command.ts';
import { configure } from './configure.ts';

export const run: Command = {
  name: 'run',
  summary: 'run the proxy (default command)',
  async run(invocation) {
    const configured = await configure(run, invocation, { serves: true });
    if (configured.config === null) return configured.exitCode;
    const { serve } = await import('./serve.ts');
    return serve(configured.config, { reload: configured });
  },
};
