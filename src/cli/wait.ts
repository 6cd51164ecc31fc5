/**
 * `etcd-bulkhead wait`: blocks until the proxy of an admin address is in a state, for hooks of containers without a shell and
 * without curl. With `--timeout 0s` it checks once, which makes it a probe.
 */
import { type Command, ExitCode } from './command.ts';

const states = ['ready', 'started', 'live', 'upstream'] as const;
type State = (typeof states)[number];

const flags = {
  'wait-for': {
    kind: 'choice',
    choices: states,
    default: 'ready',
    doc: 'started: every listener is bound. ready: it accepts calls and does not drain. live: it responds. upstream: it is ready, and an endpoint of etcd is, too.',
  },
  timeout: {
    kind: 'duration',
    default: '30s',
    doc: 'Time after which the command fails. 0s checks once.',
  },
} as const;

export const wait: Command = {
  name: 'wait',
  summary: 'wait until a running proxy is ready',
  async run(invocation) {
    const { parseAdminFlags, probeLimits } = await import('./admin-flags.ts');
    const { described, ask, poll } = await import('./admin-client.ts');
    const parsed = parseAdminFlags(wait, invocation, flags);
    if (typeof parsed === 'number') return parsed;
    const { address, values } = parsed;
    const state = values['wait-for'] as State;
    const check = async (): Promise<string | null> => {
      const probed = await ask(address, 'GET', probePaths[state], probeLimits);
      if (probed instanceof Error || probed.code !== 200) return described(probed);
      if (state !== 'upstream') return null;
      const upstream = await ask(address, 'GET', '/upstreamz', probeLimits);
      if (upstream instanceof Error || upstream.code !== 200) return described(upstream);
      return hasReadyEndpoint(upstream.body) ? null : 'no endpoint of etcd is ready';
    };
    const missing = await poll(check, Number(values.timeout));
    if (missing === null) return ExitCode.OK;
    invocation.output.err(`etcd-bulkhead wait: not ${wording[state]}: ${missing}\n`);
    return ExitCode.FAULT;
  },
};

const probePaths: { readonly [state in State]: string } = {
  started: '/startupz',
  ready: '/readyz',
  live: '/livez',
  upstream: '/readyz',
};

const wording: { readonly [state in State]: string } = {
  started: 'started',
  ready: 'ready',
  live: 'live',
  upstream: 'connected to etcd',
};

/** The page is that of /upstreamz. Any other text has no ready endpoint. */
function hasReadyEndpoint(page: string): boolean {
  try {
    const { endpoints } = JSON.parse(page) as { endpoints?: readonly { state?: unknown }[] };
    return endpoints?.some(({ state }) => state === 'ready') === true;
  } catch {
    return false;
  }
}
