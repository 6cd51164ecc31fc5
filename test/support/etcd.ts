/**
 * A real etcd for tests: its own process, free ports, a data directory in the system's temporary directory.
 * Everything is removed when it is disposed of. Durability is switched off if the binary allows it. Set ETCD_BINARY
 * to test against another etcd than the one on the PATH.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { isHealthy, memberEnvironment, memberFlags } from '../../src/cli/etcd-member.ts';
import { atExit } from './at-exit.ts';
import type { CertificateAuthority, KeyPair } from './certificates.ts';
import { freePorts } from './ports.ts';
import { TemporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

export const etcdBinary = process.env['ETCD_BINARY'] ?? 'etcd';

const pausedWithinMs = 5_000;
const attemptsMax = 5;

export interface EtcdOptions {
  /** Further flags, for example `--max-txn-ops=10`. They come last and take precedence. */
  readonly args?: readonly string[];
}

export interface Etcd extends AsyncDisposable {
  readonly name: string;
  /** For example `http://127.0.0.1:12345`. */
  readonly clientUrl: string;
  /** `host:port` of clientUrl. */
  readonly address: string;
  readonly peerUrl: string;
  /** Suspends the process without closing a connection, like a hanging machine. It is suspended on return. */
  pause(): void;
  resume(): void;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Stops it with SIGTERM. */
  stop(): Promise<void>;
  /** Starts it again on the same ports with the same data; resolves when it serves. */
  restart(): Promise<void>;
}

/** A member before its start: what its command line is made from. */
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

/** Thrown if another process bound a port after it was found free. */
export class PortTaken extends Error {}

let maySkipSync: boolean | undefined;

/** `--unsafe-no-fsync` came with a patch release of 3.4, and its help does not mention it, so it must be tried. */
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
      ...memberFlags({
        name: plan.name,
        dataDir: this.#directory.path,
        clientUrl: this.clientUrl,
        peerUrl: this.peerUrl,
        initialCluster: plan.initialCluster,
      }),
      `--heartbeat-interval=${plan.heartbeatMs}`,
      `--election-timeout=${plan.electionMs}`,
      '--log-level=error',
      ...syncFlags(),
      ...plan.args,
    ];
  }

  launch(): void {
    this.#errors = '';
    const child = spawn(etcdBinary, this.#args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: memberEnvironment(),
    });
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
    const isReady = () => {
      if (this.#hasExited()) throw this.#failure('ended before it served');
      return isHealthy(this.clientUrl);
    };
    await until(() => `health of etcd ${this.name} (${this.#errors.trim()})`, isReady);
  }

  pause(): void {
    const child = this.#child;
    if (child === null || child.pid === undefined) return;
    child.kill('SIGSTOP');
    const giveUpAt = performance.now() + pausedWithinMs;
    // The signal has only been sent by now: on a busy machine etcd could still respond to a call or two.
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

/** Reads the process state on Linux. Elsewhere the signal is assumed to have taken effect. */
function isStopped(pid: number): boolean {
  if (process.platform !== 'linux') return true;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.charAt(stat.lastIndexOf(')') + 2) === 'T';
}

/** Starts the given members together as one cluster. If one does not become healthy, removes all and rejects. */
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

/** Starts a member and does not wait until it serves: a learner does not serve everything. */
export function launchMember(plan: MemberPlan): Etcd {
  const member = new Member(plan);
  member.launch();
  return member;
}

/** Runs `start` again with other ports if one was bound meanwhile. */
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
 * leases of one second (the minimum is 1.5 election timeouts, rounded up).
 */
export function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  return withFreePorts(2, async ([clientPort = 0, peerPort = 0]) =>
    startSingle(clientPort, peerPort, options.args ?? []),
  );
}

export interface SecureEtcd {
  readonly etcd: Etcd;
  /** `https://host:port`, beside the plain-text address of `etcd`. Requires a client certificate of the same authority. */
  readonly secureUrl: string;
}

export function startSecureEtcd(
  authority: CertificateAuthority,
  server: KeyPair,
): Promise<SecureEtcd> {
  return withFreePorts(3, async ([clientPort = 0, peerPort = 0, securePort = 0]) => {
    const secureUrl = `https://127.0.0.1:${securePort}`;
    const etcd = await startSingle(clientPort, peerPort, [
      `--listen-client-urls=http://127.0.0.1:${clientPort},${secureUrl}`,
      `--cert-file=${server.certificateFile}`,
      `--key-file=${server.keyFile}`,
      `--trusted-ca-file=${authority.certificateFile}`,
      '--client-cert-auth',
    ]);
    return { etcd, secureUrl };
  });
}

async function startSingle(
  clientPort: number,
  peerPort: number,
  args: readonly string[],
): Promise<Etcd> {
  const name = 'single';
  const initialCluster = `${name}=http://127.0.0.1:${peerPort}`;
  const timing = { heartbeatMs: 10, electionMs: 100 };
  const plan = { name, clientPort, peerPort, initialCluster, ...timing, args };
  const [member] = await startMembers([plan]);
  if (member === undefined) throw new Error('no member was started');
  return member;
}
