/**
 * Notifies systemd of the state of the process, for units of `Type=notify`: READY, RELOADING, STOPPING, and WATCHDOG in half of
 * the interval that the unit sets. The protocol is datagrams on a Unix socket, which Node does not have, so the program
 * `systemd-notify` sends them (docs/adr/0031). The unit needs `NotifyAccess=all`. Loaded only if NOTIFY_SOCKET is set.
 *
 * The watchdog is a timer of the event loop. A loop that does not run for the whole interval sends nothing, and systemd
 * replaces the process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Environment } from '../config/load.ts';
import type { Logger } from '../observe/logger.ts';
import type { Clock } from '../runtime/clock.ts';

/** systemd-notify waits up to 5 s until the message is processed. */
const sentWithinMs = 10_000;
/** In addition to the drain, for the end of the process. */
const afterDrainMs = 2_000;

export interface SystemdDependencies {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pid?: number;
}

export class Systemd {
  readonly #environment: Environment;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watchdogMs: number | null;
  /** Messages are sent one after the other, because systemd acts on their order. */
  #last: Promise<void> = Promise.resolve();
  #watches = false;
  #isPinging = false;
  #hasFailed = false;

  constructor({ environment, clock, logger, pid = process.pid }: SystemdDependencies) {
    this.#environment = environment;
    this.#clock = clock;
    this.#logger = logger;
    this.#watchdogMs = watchdogInterval(environment, pid);
  }

  /** After the start, and again after each reload. */
  ready(addresses: number): void {
    this.#send('READY=1', `STATUS=serving on ${addresses} addresses`);
    if (this.#watches || this.#watchdogMs === null) return;
    this.#watches = true;
    this.#watch(this.#watchdogMs / 2);
  }

  reloading(): void {
    // The clock of systemd, CLOCK_MONOTONIC, and not that of the process.
    this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
  }

  /** A drain may last longer than `TimeoutStopSec` of the unit. */
  stopping(drainMaxMs: number): void {
    const usec = (drainMaxMs + afterDrainMs) * 1_000;
    this.#send('STOPPING=1', 'STATUS=draining', `EXTEND_TIMEOUT_USEC=${usec}`);
  }

  #watch(intervalMs: number): void {
    this.#clock.after(intervalMs, () => {
      // A ping that is not sent yet is enough. Without systemd-notify none must queue up.
      if (!this.#isPinging) {
        this.#isPinging = true;
        this.#send('WATCHDOG=1');
        void this.#last.then(() => {
          this.#isPinging = false;
        });
      }
      this.#watch(intervalMs);
    });
  }

  #send(...assignments: readonly string[]): void {
    this.#last = this.#last.then(() => this.#run(assignments));
  }

  /** Never rejects. */
  #run(assignments: readonly string[]): Promise<void> {
    const { PATH, NOTIFY_SOCKET } = this.#environment;
    return new Promise((resolve) => {
      let child: ChildProcess;
      try {
        child = spawn('systemd-notify', assignments, {
          env: { PATH, NOTIFY_SOCKET },
          stdio: 'ignore',
          timeout: sentWithinMs,
        });
      } catch (error) {
        // Node emits some failures, such as ENOENT, and throws others, such as ENOMEM and EPERM.
        this.#failed((error as Error).message);
        resolve();
        return;
      }
      child.once('error', (error) => this.#failed(error.message));
      child.once('exit', (code, signal) => {
        if (code !== 0) this.#failed(`exit ${code ?? signal}`);
      });
      child.once('close', () => resolve());
    });
  }

  /** One line, because the watchdog would repeat it. */
  #failed(error: string): void {
    if (!this.#hasFailed) this.#logger.warn('systemd was not notified', { error });
    this.#hasFailed = true;
  }
}

/** In milliseconds. Null if the unit has no watchdog, or if the variables are meant for another process. */
function watchdogInterval(environment: Environment, pid: number): number | null {
  const { WATCHDOG_USEC, WATCHDOG_PID = `${pid}` } = environment;
  const ms = Number(WATCHDOG_USEC) / 1_000;
  return WATCHDOG_PID === `${pid}` && ms > 0 && Number.isFinite(ms) ? ms : null;
}
