/** Measures work without I/O: the median of many short rounds, each long enough for the clock's resolution. */
import { median } from '../statistics.ts';

const rounds = 31;
const roundMs = 20;

export function heading(text: string): void {
  console.log(`\n${text}`);
}

/** Prints the time of one `run`. `bytes` is the size of its input, for the report. */
export function measure(name: string, bytes: number, run: () => void): void {
  const nanoseconds: number[] = [];
  let perRound = 1;
  while (nanoseconds.length < rounds) {
    const start = performance.now();
    for (let i = 0; i < perRound; i++) run();
    const ms = performance.now() - start;
    if (ms < roundMs / 2) perRound *= 2;
    else nanoseconds.push((ms * 1e6) / perRound);
  }
  const time = median(nanoseconds).toFixed(0);
  console.log(`${name.padEnd(48)} ${String(bytes).padStart(9)} B ${time.padStart(10)} ns`);
}
