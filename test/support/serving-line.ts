/** The log line with which the program reports that it serves. */

/** The fields of the line. `admin` is null without an admin address. */
export interface ServingLine {
  readonly addresses: readonly string[];
  readonly admin: string | null;
}

/** Null as long as the output of the program does not have the line. */
export function servingLineIn(output: string): ServingLine | null {
  const line = /^.*"event":"serving".*\n/m.exec(output)?.[0];
  return line === undefined ? null : (JSON.parse(line) as ServingLine);
}
