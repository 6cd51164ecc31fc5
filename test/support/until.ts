/** Waiting in tests: for a condition, for a bounded time, and with an error that names the condition. */
import { setTimeout as sleep } from 'node:timers/promises';

const pollEveryMs = 5;
const withinMsDefault = 20_000;

/** What a wait is for. A function is called when the wait has failed, to describe the state at that time. */
export type Awaited = string | (() => string);

/** Polls until `holds` returns true. Rejects after `withinMs`. */
export async function until(
  what: Awaited,
  holds: () => boolean | Promise<boolean>,
  withinMs = withinMsDefault,
): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw timeout(what, withinMs);
    await sleep(pollEveryMs);
  }
}

/** Repeats `read` until its result is as wanted, for a bounded time. Resolves with the last result either way. */
export async function eventually<T>(
  read: () => Promise<T>,
  isWanted: (result: T) => boolean,
  withinMs = 10_000,
): Promise<T> {
  let last = await read();
  const giveUpAt = performance.now() + withinMs;
  while (!isWanted(last) && performance.now() < giveUpAt) {
    await sleep(pollEveryMs);
    last = await read();
  }
  return last;
}

/** The same for a condition that only events change: it is checked at each `notify`, without polling. */
export class Condition {
  #onNotify: (() => void) | null = null;

  notify(): void {
    this.#onNotify?.();
  }

  async until(what: Awaited, holds: () => boolean, withinMs = withinMsDefault): Promise<void> {
    if (holds()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(timeout(what, withinMs)), withinMs);
    this.#onNotify = () => {
      if (holds()) resolve();
    };
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#onNotify = null;
    }
  }
}

function timeout(what: Awaited, withinMs: number): Error {
  return new Error(`no ${typeof what === 'string' ? what : what()} within ${withinMs} ms`);
}
