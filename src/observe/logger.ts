/**
 * The logger: JSON, one object per line, with the name of an event and its fields. It wraps pino. Lines pass through a
 * bounded buffer, so that a reader of the output that is stuck costs log lines and not calls.
 */
import { type Logger as Pino, pino } from 'pino';
import type { LogLevel } from '../config/settings/operation.ts';
import { Output } from './output.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** Whether lines of this level are written. Checked once, when hooks are built. */
  writes(level: Exclude<LogLevel, 'silent'>): boolean;
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** For the last line of a process. It is written before the method returns. */
  fatal(event: string, fields?: Fields): void;
  /**
   * A log of its own within the same output: its lines have the field `log` with this name, and are written at every level but
   * `silent`.
   */
  named(log: string): Logger;
  /** Lines of this logger and its named ones that were dropped, because the reader of the output was too slow. */
  readonly droppedLines: number;
  /** Writes the buffer out, before the process exits. */
  flush(): void;
}

export interface LoggerOptions {
  /** In every line. */
  readonly fields?: Fields;
  /** Whether other processes write to the same output. Lines are then written in pieces that a pipe does not split. */
  readonly isShared?: boolean;
}

/** Tests pass another destination than standard output. */
export function createLogger(
  level: LogLevel,
  { fields, isShared = false }: LoggerOptions = {},
  to: Destination = new Output({ isShared }),
): Logger {
  return new PinoLogger(
    pino(
      {
        level,
        // Level names instead of pino's numbers. No process ID and host name: the platform adds them.
        base: fields ?? null,
        formatters: { level: (label) => ({ level: label }) },
        timestamp: pino.stdTimeFunctions.isoTime,
        messageKey: 'event',
      },
      to,
    ),
    to,
  );
}

/** Where lines are written to. That of a test has only the first method. */
export interface Destination {
  write(line: string): void;
  readonly droppedLines?: number;
  flushSync?(): void;
}

class PinoLogger implements Logger {
  readonly #pino: Pino;
  readonly #to: Destination;

  constructor(logger: Pino, to: Destination) {
    this.#pino = logger;
    this.#to = to;
  }

  named(log: string): Logger {
    const level = this.#pino.level === 'silent' ? 'silent' : 'info';
    return new PinoLogger(this.#pino.child({ log }, { level }), this.#to);
  }

  get droppedLines(): number {
    return this.#to.droppedLines ?? 0;
  }

  writes(level: Exclude<LogLevel, 'silent'>): boolean {
    return this.#pino.isLevelEnabled(level);
  }

  debug(event: string, fields: Fields = {}): void {
    this.#pino.debug(fields, event);
  }

  info(event: string, fields: Fields = {}): void {
    this.#pino.info(fields, event);
  }

  warn(event: string, fields: Fields = {}): void {
    this.#pino.warn(fields, event);
  }

  error(event: string, fields: Fields = {}): void {
    this.#pino.error(fields, event);
  }

  fatal(event: string, fields: Fields = {}): void {
    this.#pino.fatal(fields, event);
    this.flush();
  }

  flush(): void {
    this.#to.flushSync?.();
  }
}
