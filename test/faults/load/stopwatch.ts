/** How long a client has to wait until it succeeds, over all its attempts. */
import type { Ledger, Waiting } from '../ledger.ts';

export class Stopwatch {
  readonly #ledger: Ledger;
  readonly #what: Waiting;
  #beganAt: number | null = null;

  constructor(ledger: Ledger, what: Waiting) {
    this.#ledger = ledger;
    this.#what = what;
  }

  /** Has no effect if the last attempt did not succeed. */
  begin(): void {
    this.#beganAt ??= performance.now();
  }

  succeed(): void {
    this.end();
    this.#beganAt = null;
  }

  /** The client gives up. What it has waited counts. */
  end(): void {
    if (this.#beganAt !== null) {
      this.#ledger.onWaited(this.#what, performance.now() - this.#beganAt);
    }
  }
}
