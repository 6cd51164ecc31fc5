/**
 * The logger: JSON, one object per line, with the name of an event and its fields. It wraps pino. Lines pass through a
 * bounded buffer, so that a reader of the output that is stuck costs log lines and not calls.
 */
import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino';
import type { LogLevel } from '../config/settings/operation.ts';

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
  /** Writes the buffer out, before the process exits. */
  flush(): void;
}

/** Beyond this size lines are dropped until the reader has caught up. */
const bufferBytesMax = 4 * 1024 * 1024;

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
  to: DestinationStream = standardOutput(isShared),
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

/** POSIX guarantees that a write of this size to a pipe is not mixed with others (PIPE_BUF of Linux). */
const atomicBytesMax = 4_096;

function standardOutput(isShared: boolean): DestinationStream {
  const stream = destination({
    fd: 1,
    sync: false,
    minLength: 0,
    maxLength: bufferBytesMax,
    ...(isShared && { maxWrite: atomicBytesMax }),
  });
  // A closed pipe must not end the process: it still serves clients.
  stream.on('error', () => {});
  return stream;
}

class PinoLogger implements Logger {
  readonly #pino: Pino;
  readonly #to: DestinationStream & { flushSync?: () => void };

  constructor(logger: Pino, to: DestinationStream) {
    this.#pino = logger;
    this.#to = to;
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
    try {
      this.#to.flushSync?.();
    } catch {
      // The pipe is closed or full. The lines are lost.
    }
  }
}
