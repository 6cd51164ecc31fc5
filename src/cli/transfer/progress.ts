/** The progress of a transfer, as one line that is drawn again and again. Only on a terminal. */
import type { Clock } from '../../runtime/clock.ts';

const everyMs = 100;
const barWidth = 24;
/** Carriage return, and erase to the end of the line. */
const lineStart = '\r\x1b[K';

export class Progress {
  readonly #clock: Clock;
  readonly #print: ((text: string) => void) | null;
  readonly #what: string;
  readonly #startedAtMs: number;
  #total: number;
  #keys = 0;
  #bytes = 0;
  #drawnAtMs = Number.NEGATIVE_INFINITY;

  /** `print` is null if the output is not a terminal. `total`: how many keys are expected. */
  constructor(what: string, total: number, print: ((text: string) => void) | null, clock: Clock) {
    this.#what = what;
    this.#total = total;
    this.#print = print;
    this.#clock = clock;
    this.#startedAtMs = clock.nowMs();
  }

  add(keys: number, bytes: number): void {
    this.#keys += keys;
    this.#bytes += bytes;
    if (this.#print === null || this.#clock.nowMs() - this.#drawnAtMs < everyMs) return;
    this.#drawnAtMs = this.#clock.nowMs();
    const seconds = (this.#drawnAtMs - this.#startedAtMs) / 1000;
    this.#total = Math.max(this.#total, this.#keys);
    this.#print(
      lineStart + progressLine(this.#what, this.#keys, this.#total, this.#bytes, seconds),
    );
  }

  /** Removes the line. */
  clear(): void {
    if (this.#drawnAtMs !== Number.NEGATIVE_INFINITY) this.#print?.(lineStart);
  }
}

export function progressLine(
  what: string,
  keys: number,
  total: number,
  bytes: number,
  seconds: number,
): string {
  const share = total === 0 ? 1 : keys / total;
  const filled = Math.round(share * barWidth);
  const bar = '#'.repeat(filled) + '.'.repeat(barWidth - filled);
  const perSecond = seconds > 0 ? Math.round(keys / seconds) : 0;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${what} [${bar}]${percent}  ${keys} of ${total} keys  ${formatBytes(bytes)}  ${perSecond} keys/s`;
}

/** For reports: `12.3 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kib = bytes / 1024;
  if (kib < 1024) return `${kib.toFixed(1)} KiB`;
  const mib = kib / 1024;
  return mib < 1024 ? `${mib.toFixed(1)} MiB` : `${(mib / 1024).toFixed(2)} GiB`;
}
