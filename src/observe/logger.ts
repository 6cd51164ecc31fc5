/**
 * Log lines: JSON, one per line, an event's name and its fields. pino writes them; nothing else imports it. Lines leave
 * through a bounded buffer, because a stuck reader of our output must cost log lines and not calls.
 */
import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino';
import type { LogLevel } from '../config/schema.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** Whether lines of this level are written: asked once, when hooks are built. */
  writes(level: Exclude<LogLevel, 'silent'>): boolean;
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** The last line of a process. Written before it returns. */
  fatal(event: string, fields?: Fields): void;
  /** Writes what is still in the buffer. For the moment before the process ends. */
  flush(): void;
}

/** Beyond this, lines are dropped until the reader has caught up. */
const bufferBytesMax = 4 * 1024 * 1024;

/** `to` is standard output unless a test listens. */
export function createLogger(level: LogLevel, to: DestinationStream = standardOutput()): Logger {
  return new PinoLogger(
    pino(
      {
        level,
        // Names instead of pino's numbers, and no process ID or host name: the platform adds what it wants.
        base: null,
        formatters: { level: (label) => ({ level: label }) },
        timestamp: pino.stdTimeFunctions.isoTime,
        messageKey: 'event',
      },
      to,
    ),
    to,
  );
}

function standardOutput(): DestinationStream {
  const stream = destination({ fd: 1, sync: false, minLength: 0, maxLength: bufferBytesMax });
  // A closed pipe is no reason to end: whoever read the log is gone, and the clients are not.
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
      // The reader is gone or not ready: there is nobody left to tell.
    }
  }
}
