/** The content of docs/logs.md, generated from the table of log events. */
import { commonFields, type LogEvent, logEvents, logFields } from './log-events.ts';

function eventsTable(log: LogEvent['log']): string {
  const rows = logEvents
    .filter((each) => each.log === log)
    .map(({ event, levels, when, fields }) => {
      const names = fields.map((field) => `\`${field}\``).join(', ');
      return `| \`${event}\` | ${levels} | ${when} | ${names} |`;
    });
  return ['| event | level | when | fields |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

export function logsPage(): string {
  const fields = Object.entries(logFields).map(([name, doc]) => `| \`${name}\` | ${doc} |`);
  return `# Logs
The proxy writes JSON to standard output, one object per line. Each line has ${commonFields
    .slice(0, 3)
    .map((name) => `\`${name}\``)
    .join(', ')}. There are three logs, which the field \`log\`
distinguishes: the log of the process (no such field), the access log (\`access\`) and the audit log (\`audit\`). This page is
generated from [scripts/log-events.ts](../scripts/log-events.ts) by \`npm run docs:generate\`.

Lines never contain values, tokens, passwords or metadata. Keys appear as \`--log-keys\` says:

| \`--log-keys\` | a key in a line |
| --- | --- |
| \`off\` (default) | missing |
| \`hash\` | \`sha256:\` and the first 16 digits of its SHA-256: \`printf %s KEY \\| sha256sum\`. A key that can be guessed can be found. |
| \`truncated\` | its first 16 bytes |
| \`on\` | its first 256 bytes |

A key is printed in ASCII; every other byte is \`\\xNN\`, so that no key can break a line or control a terminal. Keys are those that
the tenant sees, without the namespace.

A slow reader of standard output delays no call. Lines wait in a buffer of 4 MiB. When it is full, lines are dropped, and
\`etcd_bulkhead_log_dropped_lines_total\` counts them.

## The log of the process
\`--log-level\` selects the lines. At \`debug\` every operation is logged: unary calls, and each message of a stream.

${eventsTable('')}

## The access log
For production (\`--access-log\`). It does not depend on the log level, except that \`silent\` switches it off.

* \`errors\`: calls that end with a code other than OK, and unary calls that take \`--access-log-slow\` or longer. Calls that the
  client cancels are not errors. Lock and Campaign wait for other clients and are never slow.
* \`sampled\`: in addition, streams when they open and close, and one of \`--access-log-sample\` of the other calls, chosen at random.

At most \`--access-log-rate\` lines per second are written of errors and slow calls, and as many of all other lines. Of errors and slow
calls one tenant has at most a quarter, so that its refused calls do not hide the failures of other tenants. The next line has the
number of the suppressed ones, and \`etcd_bulkhead_log_suppressed_lines_total{log="access"}\` counts them.

The cost is in [performance.md](performance.md). With \`--log-keys\`, the request of every call is decoded, which costs more.

${eventsTable('access')}

## The audit log
Administrative calls, and refusals of identities and methods. It is on by default (\`--audit-log=off\`), and does not depend on the
log level, except that \`silent\` switches it off. At most 10 lines per second
and event are written, after a burst of 50. Of \`method refused\` and \`foreign lease\`, one tenant has at most a quarter, so that its
refused calls do not hide those of other tenants. The next line has the number of the suppressed ones, and
\`etcd_bulkhead_log_suppressed_lines_total{log="audit"}\` counts them.

${eventsTable('audit')}

## The log of \`mirror\`
The command \`etcd-bulkhead mirror\` ([transfer.md](transfer.md)) is a process of its own, with these lines:

${eventsTable('mirror')}

## Fields

| field | meaning |
| --- | --- |
${fields.join('\n')}
`;
}
