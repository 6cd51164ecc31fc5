/** Standard input and output as `top` uses them: a terminal that is drawn in place, or plain lines. */

export interface Terminal {
  readonly columns: number;
  /** Infinity if the output is not a terminal. */
  readonly rows: number;
  readonly isInteractive: boolean;
  readonly hasColours: boolean;
  /** Draws a frame, in place if the terminal is interactive. Resolves when it is written. */
  draw(lines: readonly string[]): Promise<void>;
  /** Restores the terminal. */
  close(): void;
}

export interface TerminalEvents {
  readonly onKey: (key: string) => void;
  readonly onResize: () => void;
  /** The reader of the output has closed it. */
  readonly onClosed: () => void;
}

const columnsWithoutTerminal = 160;
/** A serial line or a pseudo-terminal may have no size. */
const columnsUnknown = 80;
const rowsUnknown = 24;
const enter = '\x1b[?1049h\x1b[?25l';
const leave = '\x1b[?25h\x1b[?1049l';

/** `isPlain`: the output is drawn once and not in place. */
export function openTerminal(
  { onKey, onResize, onClosed }: TerminalEvents,
  environment: Readonly<Record<string, string | undefined>>,
  isPlain: boolean,
): Terminal {
  const { stdin, stdout } = process;
  const isTerminal = stdout.isTTY && environment['TERM'] !== 'dumb';
  const isInteractive = isTerminal && !isPlain;
  stdout.on('error', onClosed);
  if (isInteractive) {
    stdout.write(enter);
    stdout.on('resize', onResize);
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      stdin.setEncoding('utf8');
      stdin.on('data', (keys: string) => {
        for (const key of keys) onKey(key);
      });
    }
  }
  const write = (text: string) =>
    new Promise<void>((resolve) => {
      stdout.write(text, () => resolve());
    });
  return {
    get columns() {
      return stdout.isTTY ? stdout.columns || columnsUnknown : columnsWithoutTerminal;
    },
    get rows() {
      return isInteractive ? stdout.rows || rowsUnknown : Number.POSITIVE_INFINITY;
    },
    isInteractive,
    hasColours: isTerminal && (environment['NO_COLOR'] ?? '') === '',
    draw: (lines) =>
      // Each line clears what is left of the one before it, and the last one everything below.
      isInteractive
        ? write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
        : write(`${lines.join('\n')}\n`),
    close: () => {
      if (!isInteractive) return;
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.pause();
      stdout.write(leave);
    },
  };
}
