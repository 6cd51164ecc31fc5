/**
 * `etcd-bulkhead smoke-test`: puts, reads, watches and leases a key through a proxy, or at an etcd, and removes it. `helm test`
 * runs it, because the image has no etcdctl. It uses the settings towards etcd: here the proxy is the endpoint.
 */
import type { SettingName } from '../config/schema.ts';
import { systemClock } from '../runtime/clock.ts';
import { type Command, ExitCode } from './command.ts';
import { configure } from './configure.ts';

const settings: readonly SettingName[] = [
  ...(['endpoints', 'cacert', 'cert', 'key', 'server-name', 'insecure-skip-tls-verify'] as const),
  ...(['user', 'password-file'] as const),
];

export const smokeTest: Command = {
  name: 'smoke-test',
  summary: 'put, get, watch and lease a key through --endpoints',
  async run(invocation) {
    const configured = await configure(smokeTest, invocation, {
      flags: { settings },
      // The test is a client: it may have a name in its certificate, and it does not listen.
      defaults: { 'allow-common-name': 'true', 'listen-addr': '127.0.0.1:0' },
    });
    if (configured.config === null) return configured.exitCode;
    const { output } = invocation;
    const { Etcd } = await import('./smoke/etcd.ts');
    const { steps } = await import('./smoke/steps.ts');
    for (const endpoint of configured.config.endpoints) {
      const etcd = new Etcd(endpoint);
      let step = 'connect';
      try {
        await etcd.connect(configured.config.login);
        for (const { name, run } of steps()) {
          step = name;
          const startedMs = systemClock.nowMs();
          await run(etcd);
          output.out(`ok    ${name} (${Math.round(systemClock.nowMs() - startedMs)} ms)\n`);
        }
      } catch (error) {
        output.err(`fail  ${step} at ${endpoint.name}: ${(error as Error).message}\n`);
        return ExitCode.FAULT;
      } finally {
        etcd.close();
      }
    }
    return ExitCode.OK;
  },
};
