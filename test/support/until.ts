/** Waiting in tests: for a condition, within a bound, and with a sentence about what did not happen. */
import { setTimeout as sleep } from 'node:timers/promises';

const pollEveryMs = 10;

/** Resolves when `holds` does. Rejects, naming `what`, when that takes too long. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`no ${what} within ${withinMs} ms`);
    await sleep(pollEveryMs);
  }
}
