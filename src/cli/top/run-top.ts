/** Reads the pages of the proxy repeatedly and draws them. A proxy that is restarted is found again. */
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { ExitCode } from '../command.ts';
import type { TopOptions } from './options.ts';
import { readPage } from './page.ts';
import { type Pages, type View, viewOf } from './reading.ts';
import { safe } from './safe-text.ts';
import { screenLines } from './screen.ts';
import { nextSortKey } from './sorting.ts';
import { openTerminal, type Terminal } from './terminal.ts';

/** Resolves with the exit code: when the user quits, or after one reading. */
export async function runTop(options: TopOptions): Promise<number> {
  return options.isOnce ? printOnce(options) : await new Top(options).run();
}

async function readPages({ address }: TopOptions, clock: Clock): Promise<Pages> {
  const [tenants, advice, upstream, breakers] = await Promise.all(
    ['/tenantz', '/advicez', '/upstreamz', '/breakers'].map((path) => readPage(address, path)),
  );
  if (tenants === null) throw new Error('it has no /tenantz: is it an admin address?');
  return { atMs: clock.nowMs(), tenants, advice, upstream, breakers };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.after(ms, resolve));
}

async function printOnce(options: TopOptions): Promise<number> {
  const terminal = openTerminal(
    { onKey: () => {}, onResize: () => {}, onClosed: () => {} },
    process.env,
    true,
  );
  let view: View;
  try {
    const before = await readPages(options, systemClock);
    await wait(options.intervalMs);
    view = viewOf(await readPages(options, systemClock), before);
  } catch (error) {
    const reason = safe((error as Error).message);
    process.stderr.write(`etcd-bulkhead top: cannot read ${options.addressText}: ${reason}\n`);
    return ExitCode.FAULT;
  }
  const lines = options.isJson
    ? [JSON.stringify(view, undefined, 2)]
    : screenLines(view, { ...options, ...shape(terminal), isReversed: false, failure: '' });
  await terminal.draw(lines);
  return ExitCode.OK;
}

function shape({ columns, rows, hasColours }: Terminal) {
  return { columns, rows, hasColours };
}

class Top {
  readonly #options: TopOptions;
  readonly #terminal: Terminal;
  readonly #quit = Promise.withResolvers<'quit'>();
  #before: Pages | null = null;
  #view: View | null = null;
  #failure = '';
  #sort;
  #isReversed = false;

  constructor(options: TopOptions) {
    this.#options = options;
    this.#sort = options.sort;
    this.#terminal = openTerminal(
      {
        onKey: (key) => this.#onKey(key),
        onResize: () => void this.#draw(),
        onClosed: () => this.#quit.resolve('quit'),
      },
      process.env,
      false,
    );
  }

  async run(): Promise<number> {
    const stop = () => this.#quit.resolve('quit');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
    try {
      for (;;) {
        await Promise.race([this.#read(), this.#quit.promise]);
        await Promise.race([this.#draw(), this.#quit.promise]);
        const ended = await Promise.race([wait(this.#options.intervalMs), this.#quit.promise]);
        if (ended === 'quit') return ExitCode.OK;
      }
    } finally {
      this.#terminal.close();
    }
  }

  async #read(): Promise<void> {
    try {
      const pages = await readPages(this.#options, systemClock);
      this.#view = viewOf(pages, this.#before);
      this.#before = pages;
      this.#failure = '';
    } catch (error) {
      this.#failure = safe((error as Error).message);
    }
  }

  #draw(): Promise<void> {
    const { addressText } = this.#options;
    const lines = screenLines(this.#view, {
      ...{ addressText, sort: this.#sort, isReversed: this.#isReversed, failure: this.#failure },
      ...shape(this.#terminal),
    });
    // Without a terminal, frames follow each other.
    return this.#terminal.draw(this.#terminal.isInteractive ? lines : [...lines, '']);
  }

  #onKey(key: string): void {
    // Ctrl-C is a key while the terminal is in raw mode.
    if (key === 'q' || key === 'Q' || key === '\x03') this.#quit.resolve('quit');
    else if (key === 's') this.#sort = nextSortKey(this.#sort);
    else if (key === 'r') this.#isReversed = !this.#isReversed;
    if (key === 's' || key === 'r') void this.#draw();
  }
}
