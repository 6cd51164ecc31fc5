/**
 * `etcd-bulkhead shutdown`: asks the proxy of an admin address to drain, and waits until its process has ended. For a preStop
 * hook of a container without a shell, and for a Job in which the proxy is not a native sidecar. See --admin-shutdown.
 */
import { type Command, ExitCode } from './command.ts';

const flags = {
  timeout: {
    kind: 'duration',
    default: '30s',
    doc: 'Time to wait for the end of the process. 0s does not wait.',
  },
} as const;

export const shutdown: Command = {
  name: 'shutdown',
  summary: 'drain a running proxy and wait for its end',
  async run(invocation) {
    const { parseAdminFlags, probeLimits } = await import('./admin-flags.ts');
    const { ask, described, isRefused, poll } = await import('./admin-client.ts');
    const parsed = parseAdminFlags(shutdown, invocation, flags);
    if (typeof parsed === 'number') return parsed;
    const { address, values } = parsed;
    const timeoutMs = Number(values.timeout);
    const requested = await ask(address, 'POST', '/quitquitquit', probeLimits);
    if (requested instanceof Error || requested.code !== 200) {
      invocation.output.err(`etcd-bulkhead shutdown: ${described(requested)}\n`);
      return ExitCode.FAULT;
    }
    if (timeoutMs === 0) return ExitCode.OK;
    const check = async (): Promise<string | null> => {
      const state = await ask(address, 'GET', '/drainz', probeLimits);
      if (isRefused(state)) return null;
      if (state instanceof Error || state.code !== 200) return described(state);
      // A process that is not draining is the next one: a container is restarted.
      return isDraining(state.body) ? `still draining: ${oneLine(state.body)}` : null;
    };
    const missing = await poll(check, timeoutMs);
    if (missing === null) return ExitCode.OK;
    invocation.output.err(`etcd-bulkhead shutdown: ${missing}\n`);
    return ExitCode.FAULT;
  },
};

/** The page is that of /drainz. */
function isDraining(page: string): boolean {
  try {
    const { phase } = JSON.parse(page) as { phase?: unknown };
    return phase === 'draining' || phase === 'stopping';
  } catch {
    return true;
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
