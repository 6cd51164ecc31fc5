/**
 * `etcd-bulkhead dev`, which is `npm start`: a throw-away real etcd, the proxy in front of it with one namespace per port,
 * and a few lines to paste. Ctrl-C stops both and leaves nothing behind.
 */
import { type SettingName, settingNames, settingOf } from '../config/schema.ts';
import { systemClock } from '../runtime/clock.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { configure } from './configure.ts';
import { freePort } from './free-port.ts';
import { type RunningProxy, serve } from './serve.ts';
import { StopSignals } from './stop-signals.ts';
import { TemporaryEtcd } from './temporary-etcd.ts';

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
  summary: 'the quick start: a throw-away etcd with the proxy in front of it',
  async run(invocation) {
    const { output } = invocation;
    const ports = await Promise.all(namespaces.map((each) => freePort(each.preferredPort)));
    const adminPort = await freePort(preferredAdminPort);
    // Read once before there is an etcd, for --help, for mistakes, and for which binary to start.
    const first = await configureFor(invocation, ports, adminPort, 'etcd.invalid:1');
    if (first.config === null) return first.exitCode;
    // From here on there is something to put away, also when the terminal is closed.
    const signals = new StopSignals(systemClock, ['SIGTERM', 'SIGINT', 'SIGHUP']);
    let etcd: TemporaryEtcd;
    try {
      etcd = await TemporaryEtcd.start(first.settings.etcd, systemClock);
    } catch (error) {
      output.err(`etcd-bulkhead: cannot start etcd: ${(error as Error).message}\n`);
      output.err('`npm start` installs it; or name one with --etcd=PATH\n');
      return ExitCode.FAULT;
    }
    await using running = etcd;
    const configured = await configureFor(invocation, ports, adminPort, running.address);
    if (configured.config === null) return configured.exitCode;
    // Awaited here, or etcd would be gone before the proxy has drained.
    return await serve(configured.config, {
      serving: (proxy) => output.out(banner(proxy, running.address, ports)),
      fault: running.exited.then((why) => `etcd is gone: ${why}`),
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
    // Nobody here waits for a rolling update, and the banner is to stay in sight.
    defaults: {
      'admin-addr': `127.0.0.1:${adminPort}`,
      'drain-window': '0s',
      'log-level': 'warn',
    },
  });
}

function banner(proxy: RunningProxy, etcdAddress: string, ports: readonly number[]): string {
  const [one, two] = namespaces.map(({ name }, index) => ({
    name,
    etcdctl: `ETCDCTL_API=3 etcdctl --endpoints=127.0.0.1:${ports[index]}`,
    address: `127.0.0.1:${ports[index]}`,
  }));
  if (one === undefined || two === undefined) throw new Error('dev shows two namespaces');
  const moved = namespaces.filter(({ preferredPort }, index) => ports[index] !== preferredPort);
  return `
etcd-bulkhead is in front of a throw-away etcd. One etcd, two namespaces:

  ${one.name}/   ${one.address}
  ${two.name}/   ${two.address}
  etcd      ${etcdAddress} (itself, with the keys as they are stored)
  admin     ${proxy.adminAddress === null ? 'off' : `http://${proxy.adminAddress}/metrics`}
${moved.map(({ name, preferredPort }) => `\nPort ${preferredPort} was taken, so ${name}/ has another one.`).join('')}
Paste into another terminal. A key is put into ${one.name}/:
  ${one.etcdctl} put map desert
It is there, and it is not in ${two.name}/:
  ${one.etcdctl} get map
  ${two.etcdctl} get map
What etcd itself holds:
  ETCDCTL_API=3 etcdctl --endpoints=${etcdAddress} get "" --prefix

Ctrl-C stops both and leaves nothing behind.
`;
}
