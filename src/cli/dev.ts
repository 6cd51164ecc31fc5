/**
 * `etcd-bulkhead dev`, which `npm start` runs: starts a temporary etcd and the proxy with one namespace per port, and
 * prints commands to try. Ctrl-C stops both and removes all data.
 */
import { type SettingName, settingNames, settingOf } from '../config/schema.ts';
import type { RunningProxy } from '../proxy/proxy.ts';
import { systemClock } from '../runtime/clock.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { configure } from './configure.ts';
import { freePort } from './free-port.ts';
import { StopSignals } from './stop-signals.ts';
import type { TemporaryEtcd } from './temporary-etcd.ts';

const namespaces = [
  { name: 'game-1', preferredPort: 2379 },
  { name: 'game-2', preferredPort: 2389 },
] as const;

const preferredAdminPort = 2381;

const settings: readonly SettingName[] = settingNames.filter(
  (name) => settingOf(name).dev !== 'fixed',
);

export const dev: Command = {
  name: 'dev',
  summary: 'start a temporary etcd with the proxy in front of it',
  async run(invocation) {
    const { output } = invocation;
    const ports = await Promise.all(namespaces.map((each) => freePort(each.preferredPort)));
    const adminPort = await freePort(preferredAdminPort);
    // First without an etcd: for --help, problems, and the name of the etcd binary.
    const first = await configureFor(invocation, ports, adminPort, 'etcd.invalid:1');
    if (first.config === null) return first.exitCode;
    // From here on there is something to clean up, also when the terminal is closed.
    const signals = new StopSignals(systemClock, ['SIGTERM', 'SIGINT', 'SIGHUP']);
    let etcd: TemporaryEtcd;
    try {
      const { TemporaryEtcd } = await import('./temporary-etcd.ts');
      etcd = await TemporaryEtcd.start(first.settings.etcd, systemClock);
    } catch (error) {
      output.err(`etcd-bulkhead: cannot start etcd: ${(error as Error).message}\n`);
      output.err('Run `npm start` to install it, or set its path with --etcd.\n');
      return ExitCode.FAULT;
    }
    await using running = etcd;
    const configured = await configureFor(invocation, ports, adminPort, running.address);
    if (configured.config === null) return configured.exitCode;
    const { serve } = await import('./serve.ts');
    // Awaited here, so that etcd is stopped only after the proxy has drained.
    return await serve(configured.config, {
      serving: (proxy) => output.out(banner(proxy, running.address, ports)),
      fault: running.exited.then((why) => `etcd ended unexpectedly: ${why}`),
      signals,
    });
  },
};

function configureFor(
  invocation: Invocation,
  ports: readonly number[],
  adminPort: number,
  endpoint: string,
) {
  const file = {
    endpoints: [endpoint],
    tenants: namespaces.map(({ name }) => ({ name, namespace: `${name}/` })),
    listeners: namespaces.map(({ name }, index) => ({
      address: `127.0.0.1:${ports[index]}`,
      tenant: name,
    })),
  };
  return configure(dev, invocation, {
    flags: { settings },
    file: { name: 'dev', text: JSON.stringify(file) },
    // Stop quickly, and keep the banner visible: log only warnings.
    defaults: {
      'admin-addr': `127.0.0.1:${adminPort}`,
      'drain-window': '0s',
      'log-level': 'warn',
      'audit-log': 'off',
    },
  });
}

function banner(proxy: RunningProxy, etcdAddress: string, ports: readonly number[]): string {
  const [one, two] = namespaces.map(({ name }, index) => ({
    name,
    etcdctl: `ETCDCTL_API=3 etcdctl --endpoints=127.0.0.1:${ports[index]}`,
    address: `127.0.0.1:${ports[index]}`,
  }));
  if (one === undefined || two === undefined) throw new Error('dev requires two namespaces');
  const moved = namespaces.filter(({ preferredPort }, index) => ports[index] !== preferredPort);
  return `
etcd-bulkhead is running in front of a temporary etcd, with two namespaces:

  ${one.name}/   ${one.address}
  ${two.name}/   ${two.address}
  etcd      ${etcdAddress} (direct access, keys as stored)
  dashboard ${proxy.adminAddress === null ? 'off' : `http://${proxy.adminAddress}`}
${moved.map(({ name, preferredPort }) => `\nPort ${preferredPort} is in use, so ${name}/ has another port.`).join('')}
Paste these commands into another terminal. Put a key into ${one.name}/:
  ${one.etcdctl} put map desert
The key exists in ${one.name}/, but not in ${two.name}/:
  ${one.etcdctl} get map
  ${two.etcdctl} get map
etcd stores the key with the prefix:
  ETCDCTL_API=3 etcdctl --endpoints=${etcdAddress} get "" --prefix

Press Ctrl-C to stop both and remove all data.
`;
}
