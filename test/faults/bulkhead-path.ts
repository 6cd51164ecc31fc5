/** The proxy under test, as a process with a configuration file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../support/ports.ts';
import { Program } from '../support/program.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { type Middle, namespace, type Path, started } from './path.ts';

export class BulkheadPath implements Path, Middle {
  readonly name = 'proxy';
  readonly prefix = '';
  readonly addresses: readonly string[];
  readonly #endpoints: readonly string[];
  readonly #directory = new TemporaryDirectory('faults');
  readonly #environment: Readonly<Record<string, string>>;
  readonly #isCompiled: boolean;
  readonly #programs: Program[] = [];
  #settings: Readonly<Record<string, unknown>>;

  private constructor(address: string, options: BulkheadOptions) {
    this.addresses = [address];
    this.#endpoints = options.endpoints;
    this.#settings = options.settings ?? {};
    this.#environment = options.environment ?? {};
    this.#isCompiled = options.isCompiled;
  }

  static async start(options: BulkheadOptions): Promise<BulkheadPath> {
    const [port] = await freePorts(1);
    return started(new BulkheadPath(`127.0.0.1:${port}`, options));
  }

  get middle(): Middle {
    return this;
  }

  get complaints(): readonly string[] {
    return this.#programs
      .flatMap(({ out, err }) => `${out}\n${err}`.split('\n'))
      .filter((line) => /"event":"(fault|.*violation)|^\s+at .*\.ts:\d+/.test(line));
  }

  async start(): Promise<void> {
    this.#write();
    const args = ['run', `--config=${this.#file}`, '--admin-addr=127.0.0.1:0'];
    const program = new Program(args, this.#environment, { isCompiled: this.#isCompiled });
    this.#programs.push(program);
    await program.serving();
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  drain(): Promise<void> {
    return this.#end('SIGTERM');
  }

  signal(signal: NodeJS.Signals): void {
    this.#programs.at(-1)?.kill(signal);
  }

  /** Changes settings in the configuration file, which is then read again. */
  reload(settings: Readonly<Record<string, unknown>>): void {
    this.#settings = { ...this.#settings, ...settings };
    this.#write();
    this.signal('SIGHUP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const program of this.#programs) program[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  get #file(): string {
    return join(this.#directory.path, 'config.json');
  }

  #write(): void {
    const config = {
      endpoints: this.#endpoints,
      tenants: [{ name: 'faults', namespace }],
      listeners: this.addresses.map((address) => ({ address, tenant: 'faults' })),
      'drain-window': '1s',
      ...this.#settings,
    };
    writeFileSync(this.#file, JSON.stringify(config));
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const program = this.#programs.at(-1);
    program?.kill(signal);
    await program?.ended;
  }
}

export interface BulkheadOptions {
  readonly endpoints: readonly string[];
  readonly isCompiled: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}
