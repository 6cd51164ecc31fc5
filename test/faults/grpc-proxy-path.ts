/** etcd's own proxy, as a process. */
import { once } from 'node:events';
import { Processes, type Started } from '../../bench/processes.ts';
import { atExit } from '../support/at-exit.ts';
import { etcdBinary } from '../support/etcd.ts';
import { freePorts } from '../support/ports.ts';
import { type Middle, namespace, type Path, started } from './path.ts';

export class GrpcProxyPath implements Path, Middle {
  readonly name = 'grpc-proxy';
  readonly prefix = '';
  readonly complaints: readonly string[] = [];
  readonly addresses: readonly string[];
  readonly #port: number;
  readonly #endpoints: readonly string[];
  readonly #processes = new Processes();
  readonly #unregister = atExit(() => this.#processes.killAllNow());
  #started: Started | null = null;

  private constructor(port: number, endpoints: readonly string[]) {
    this.#port = port;
    this.addresses = [`127.0.0.1:${port}`];
    this.#endpoints = endpoints;
  }

  static async start(endpoints: readonly string[]): Promise<GrpcProxyPath> {
    const [port = 0] = await freePorts(1);
    return started(new GrpcProxyPath(port, endpoints));
  }

  get middle(): Middle {
    return this;
  }

  async start(): Promise<void> {
    const args = [
      'grpc-proxy',
      'start',
      `--endpoints=${this.#endpoints.join(',')}`,
      `--listen-addr=${this.addresses[0]}`,
      `--advertise-client-url=${this.addresses[0]}`,
      `--namespace=${namespace}`,
      `--data-dir=${this.#processes.newFile('data')}`,
    ];
    this.#started = await this.#processes.start('grpc-proxy', etcdBinary, args, this.#port);
  }

  async kill(): Promise<void> {
    if (this.#started !== null) await this.#processes.kill(this.#started.child);
    this.#started = null;
  }

  async drain(): Promise<void> {
    const { child } = this.#started ?? {};
    this.#started = null;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes[Symbol.asyncDispose]();
    this.#unregister();
  }
}
