/** A logger that keeps its lines, and checks that each has only fields that docs/logs.md describes. */
import { commonFields, logEvents } from '../../scripts/log-events.ts';
import type { LogLevel } from '../../src/config/settings/operation.ts';
import { createLogger, type Logger } from '../../src/observe/logger.ts';

export type LogLine = Readonly<Record<string, unknown>>;

export interface KeptLog {
  readonly logger: Logger;
  /** Every line so far, as it was written. */
  readonly written: readonly string[];
  /** The same, parsed. Throws for a line that docs/logs.md does not describe. */
  readonly lines: () => readonly LogLine[];
}

export function keptLog(level: LogLevel): KeptLog {
  const written: string[] = [];
  const logger = createLogger(level, {}, { write: (line) => written.push(line) });
  return { logger, written, lines: () => written.map(documented) };
}

/** Parses a line. Throws if its event or one of its fields is not in the table of docs/logs.md. */
export function documented(line: string): LogLine {
  const fields = JSON.parse(line) as LogLine;
  const row = logEvents.find(
    ({ event, log }) => event === fields['event'] && log === (fields['log'] ?? ''),
  );
  if (row === undefined) throw new Error(`not in scripts/log-events.ts: ${line}`);
  const known: readonly string[] = [...commonFields, ...row.fields];
  const unknown = Object.keys(fields).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`undocumented fields ${unknown.join(', ')}: ${line}`);
  return fields;
}
