/**
 * The proxy in the test's own process, from a configuration as an operator would write it, and read again when the test
 * says so: exactly what `run` does with a file and with SIGHUP.
 */
import { type LoadResult, loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { Reader } from '../../src/protobuf/reader.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import { type RunningProxy, startProxy } from '../../src/proxy/proxy.ts';
import { checkTenants } from '../../src/tenant/directory.ts';
import type { GrpcClient } from './client.ts';

/** What a configuration file holds, as an object. */
export type ConfigObject = Readonly<Record<string, unknown>>;

const quiet = {
  'admin-addr': '',
  'drain-window': '0s',
  'max-drain': '200ms',
  'log-level': 'silent',
} as const;

export function load(file: ConfigObject): Promise<LoadResult> {
  return loadConfig({
    flags: new Map(),
    environment: {},
    file: { name: 'c.yaml', text: JSON.stringify(file, undefined, 1) },
    defaults: quiet,
    checkTenants,
  });
}

export interface ConfiguredProxy extends AsyncDisposable, Pick<RunningProxy, 'adminAddress'> {
  /** Of the listeners, `host:port`, in their order. */
  readonly addresses: readonly string[];
  reload(file: ConfigObject): Promise<void>;
}

/** Rejects with everything that is wrong with it. */
export async function startConfigured(file: ConfigObject): Promise<ConfiguredProxy> {
  const { config, problems } = await load(file);
  if (config === null) throw new Error(problems.map(formatProblem).join('\n'));
  const proxy = await startProxy(config, { logger: createLogger(config.logLevel) });
  return {
    get addresses() {
      return proxy.addresses;
    },
    adminAddress: proxy.adminAddress,
    reload: async (next) => {
      await proxy.reload(await load(next));
    },
    async [Symbol.asyncDispose]() {
      await proxy.drain();
    },
  };
}

const authenticatePath = '/etcdserverpb.Auth/Authenticate';

/** The token that a password is worth. Rejects with `Refused`. */
export async function logIn(client: GrpcClient, user: string, password: string): Promise<string> {
  const request = new Writer().string(1, user).string(2, password).finish();
  const reader = new Reader(await client.bytes(authenticatePath, Buffer.from(request)));
  while (reader.next()) {
    if (reader.field === 2) return Buffer.from(reader.bytes()).toString();
  }
  throw new Error('a response without a token');
}
