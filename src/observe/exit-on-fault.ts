/** Ends the process after an exception that no code has caught, because its state is unknown afterwards. */
import { createLogger, type Fields } from './logger.ts';

/** Covers unhandled rejections, too: Node.js raises them as uncaught exceptions. `fields` are added to the log line. */
export function exitOnFault(exitCode: number, fields: Fields = {}): void {
  process.on('uncaughtException', (error: unknown, origin) => {
    const stack = error instanceof Error ? error.stack : String(error);
    createLogger('fatal', { fields }).fatal('fault', { origin, stack });
    process.exit(exitCode);
  });
}
