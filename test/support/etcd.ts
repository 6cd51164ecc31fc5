/**
 * A real etcd of one member for tests: its own process, free ports, a data directory in the system's temporary folder,
 * all gone when it is disposed of. Durability is switched off where the binary allows it. Not for production use of any
 * kind. Set ETCD_BINARY to run the tests against another etcd than the one on the PATH.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { atExit } from './at-exit.ts';
import { freePorts } from './ports.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

export const etcdBinary = process.env['ETCD_BINARY'] ?? 'etcd';

const readyWithinMs = 20_000;
const pausedWithinMs = 5_000;
const pollEveryMs = 25;
const attemptsMax = 5;

export interface EtcdOptions {
  /** Further flags, for example `--max-txn-ops=10`; they stand last and win. */
  readonly args?: readonly string[];
}

export interface Etcd extends AsyncDisposable {
  readonly name: string;
  /** For example `http://127.0.0.1:12345`. */
  readonly clientUrl: string;
  /** `host:port` of clientUrl. */
  readonly address: string;
  readonly peerUrl: string;
  /** Stops it from running at all, without closing a connection: a hanging machine. It has stopped on return. */
  pause(): void;
  resume(): void;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Asks it to end. */
  stop(): Promise<void>;
  /** Starts it again on the same ports with the same data; resolves when it serves. */
  restart(): Promise<void>;
}

/** A member that is about to start: everything that its command line is made of. */
export interface MemberPlan {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** `name=peerUrl` of all members, as in `--initial-cluster`. */
  readonly initialCluster: string;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly args: readonly string[];
}

/** Thrown when another process took a port between our looking and etcd's binding. */
export class PortTaken extends Error {}

let maySkipSync: boolean | undefined;

/** `--unsafe-no-fsync` came with a patch release of 3.4, and its help does not mention it: only trying tells. */
function syncFlags(): readonly string[] {
  if (maySkipSync === undefined) {
    try {
      execFileSync(etcdBinary, ['--unsafe-no-fsync', '--version'], { stdio: 'pipe' });
      maySkipSync = true;
    } catch {
      maySkipSync = false;
    }
  }
  return maySkipSync ? ['--unsafe-no-fsync'] : [];
}

class Member implements Etcd {
  readonly name: string;
  readonly clientUrl: string;
  readonly address: string;
  readonly peerUrl: string;
  readonly #directory = new TemporaryDirectory('etcd');
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  #errors = '';
  readonly #unregister = atExit(() => this.#child?.kill('SIGKILL'));

  constructor(plan: MemberPlan) {
    this.name = plan.name;
    this.address = `127.0.0.1:${plan.clientPort}`;
    this.clientUrl = `http://${this.address}`;
    this.peerUrl = `http://127.0.0.1:${plan.peerPort}`;
    this.#args = [
      `--name=${plan.name}`,
      `--data-dir=${this.#directory.path}`,
      `--listen-client-urls=${this.clientUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=${plan.initialCluster}`,
      `--heartbeat-interval=${plan.heartbeatMs}`,
      `--election-timeout=${plan.electionMs}`,
      '--log-level=error',
      ...syncFlags(),
      ...plan.args,
    ];
  }

  launch(): void {
    this.#errors = '';
    // The Debian build of etcd for some platforms refuses to run without being told that this is meant.
    const env = { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch };
    const child = spawn(etcdBinary, this.#args, { stdio: ['ignore', 'ignore', 'pipe'], env });
    this.#child = child;
    child.stderr?.setEncoding('utf8');
    child.stderr?.on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-8192);
    });
    child.once('error', (error) => {
      this.#errors += error.message;
    });
  }

  /** Resolves when a linearizable read succeeds; rejects when the process ends before that, or after a bounded wait. */
  async ready(): Promise<void> {
    const giveUpAt = performance.now() + readyWithinMs;
    while (performance.now() < giveUpAt) {
      if (this.#hasExited()) throw this.#failure('ended before it served');
      if (await isHealthy(this.clientUrl)) return;
      await sleep(pollEveryMs);
    }
    throw this.#failure(`did not serve within ${readyWithinMs} ms`);
  }

  pause(): void {
    const child = this.#child;
    if (child === null || child.pid === undefined) return;
    child.kill('SIGSTOP');
    const giveUpAt = performance.now() + pausedWithinMs;
    // The signal is only sent by now: on a busy machine etcd would answer another call or two.
    while (!isStopped(child.pid)) {
      if (performance.now() > giveUpAt) throw this.#failure(`ran on for ${pausedWithinMs} ms`);
    }
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async restart(): Promise<void> {
    await this.kill();
    this.launch();
    await this.ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#unregister();
    this.#directory[Symbol.dispose]();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    if (!this.#hasExited()) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    this.#child = null;
  }

  #hasExited(): boolean {
    const child = this.#child;
    return (
      child === null ||
      child.pid === undefined ||
      child.exitCode !== null ||
      child.signalCode !== null
    );
  }

  #failure(what: string): Error {
    const text = `etcd ${this.name} ${what}: ${this.#errors.trim()}`;
    return this.#errors.includes('address already in use') ? new PortTaken(text) : new Error(text);
  }
}

/** What the kernel says; elsewhere than on Linux it is not asked, and the signal believed. */
function isStopped(pid: number): boolean {
  if (process.platform !== 'linux') return true;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.charAt(stat.lastIndexOf(')') + 2) === 'T';
}

async function isHealthy(clientUrl: string): Promise<boolean> {
  try {
    const answer = await fetch(`${clientUrl}/health`, { signal: AbortSignal.timeout(1000) });
    const text = await answer.text();
    return text.includes('"health":"true"');
  } catch {
    return false;
  }
}

/** Starts the given members together, as one cluster. Rejects, with everything gone again, when one does not serve. */
export async function startMembers(plans: readonly MemberPlan[]): Promise<Etcd[]> {
  const members: Member[] = [];
  try {
    for (const plan of plans) {
      const member = new Member(plan);
      members.push(member);
      member.launch();
    }
    await Promise.all(members.map((member) => member.ready()));
    return members;
  } catch (error) {
    await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
    throw error;
  }
}

/** Runs `start` again with other ports when one was taken meanwhile. */
export async function withFreePorts<T>(
  count: number,
  start: (ports: readonly number[]) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const ports = await freePorts(count);
    try {
      return await start(ports);
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === attemptsMax) throw error;
    }
  }
}

/**
 * Starts an etcd of one member. Its election timeout is a tenth of the usual one, so that it serves at once and grants
 * leases of one second (the least is 1.5 election timeouts, rounded up).
 */
export function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  return withFreePorts(2, async ([clientPort = 0, peerPort = 0]) => {
    const [member] = await startMembers([
      {
        name: 'single',
        clientPort,
        peerPort,
        initialCluster: `single=http://127.0.0.1:${peerPort}`,
        heartbeatMs: 10,
        electionMs: 100,
        args: options.args ?? [],
      },
    ]);
    if (member === undefined) throw new Error('no member was started');
    return member;
  });
}
