/** The proxy as a process of its own, with shared watches, further settings, and a listener for each of several tenants. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SettingName } from '../../src/config/schema.ts';
import { Exposition } from './exposition.ts';
import { Program } from './program.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

const transport = process.env['ETCD_BULKHEAD_TRANSPORT'];
const environment = transport === undefined ? undefined : { ETCD_BULKHEAD_TRANSPORT: transport };

export interface ServedTenant {
  readonly name: string;
  readonly namespace: string;
}

export class ServedProxy implements Disposable {
  /** Of the tenants, `host:port`, in their order. */
  readonly addresses: readonly string[];
  readonly #admin: string;
  readonly #program: Program;
  readonly #directory: TemporaryDirectory;

  private constructor(
    program: Program,
    directory: TemporaryDirectory,
    addresses: readonly string[],
    admin: string,
  ) {
    this.#program = program;
    this.#directory = directory;
    this.addresses = addresses;
    this.#admin = admin;
  }

  static async start(
    endpoints: readonly string[],
    tenants: readonly ServedTenant[],
    settings: { readonly [name in SettingName]?: unknown } = {},
  ): Promise<ServedProxy> {
    const directory = new TemporaryDirectory('served');
    const file = join(directory.path, 'config.json');
    const listeners = tenants.map(({ name }, i) => ({
      address: `127.0.0.${i + 1}:0`,
      tenant: name,
    }));
    const common = { 'share-watches': true, 'drain-window': '0s', ...settings };
    writeFileSync(file, JSON.stringify({ endpoints, tenants, listeners, ...common }));
    const args = ['run', `--config=${file}`, '--admin-addr=127.0.0.1:0'];
    const program = new Program(args, environment);
    try {
      const { addresses, admin } = await program.serving();
      return new ServedProxy(program, directory, addresses, admin ?? '');
    } catch (error) {
      program[Symbol.dispose]();
      directory[Symbol.dispose]();
      throw error;
    }
  }

  /** Lines of its log about bugs and about keys outside of a namespace. */
  get faults(): string[] {
    const { out, err } = this.#program;
    return `${out}\n${err}`.split('\n').filter((line) => /"event":"(fault|.*violation)/.test(line));
  }

  async metrics(): Promise<Exposition> {
    return new Exposition(await (await fetch(`http://${this.#admin}/metrics`)).text());
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }
}
