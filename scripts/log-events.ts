/**
 * Every line that the program logs, for docs/logs.md: its event and its fields. test/unit/observe/log-events.test.ts compares the
 * table with the source, and tests of the logs compare their lines with it.
 */

export interface LogEvent {
  readonly event: string;
  /** The field `log`. Empty: the log of the process, whose lines have no such field. */
  readonly log: '' | 'access' | 'audit';
  readonly levels: string;
  readonly when: string;
  /** Fields that every line of the event may have, beside those of all lines. */
  readonly fields: readonly (keyof typeof logFields)[];
}

/** Field → its meaning. */
export const logFields = {
  level: 'The level.',
  time: 'When the line was written, in ISO 8601.',
  event: 'The name of the event.',
  log: '`access` or `audit`. Missing in the log of the process.',
  worker: 'The worker, with `--workers`.',
  address: 'The address of a listener.',
  addresses: 'The bound addresses of the listeners.',
  admin: 'The admin address, or null.',
  breaker: 'The breaker class.',
  callsCutOff: 'Calls that were still open after `--max-drain`.',
  cancelled: 'true: the client cancelled the call, or its connection was lost.',
  cause: 'Why the access log contains the call: `error`, `slow`, `stream` or `sample`.',
  code: 'The gRPC code of a call; the exit code of a worker; the error code of the system for an address.',
  delayMs: 'Milliseconds until the worker is started again.',
  directory: 'The directory of a file of the configuration.',
  endpoint: 'The endpoint of etcd.',
  error: 'The message of an exception, with its stack if it is a fault.',
  fault: 'What the response of etcd contained.',
  figures: 'The figures of a finding; see advice.md.',
  finding: 'The name of a finding; see advice.md.',
  hash: 'The hash of the configuration, as in `/configz`.',
  hint: 'What to do instead, as the client receives it.',
  identity:
    'What the client proved or presented: `user:…`, `claim:…`, or the names in its certificate; `listener` if it presented nothing.',
  kind: 'What an action concerns: `breaker` or `endpoint`.',
  listener: 'The listener that accepted the connection.',
  'max-connections': 'The setting.',
  method: 'The method, for example `etcdserverpb.KV/Put`.',
  ms: 'The duration of the call in milliseconds.',
  needRestart: 'Changed settings that take effect with a restart.',
  node: 'The version of Node.js.',
  open: 'Open calls by kind.',
  origin: 'How Node.js raised the exception.',
  outcome: '`done`, `refused` or `failed`.',
  permitted: 'The number of connections that the file descriptors permit.',
  pid: 'The process ID.',
  problems: 'The problems of the configuration.',
  reason: 'The name of a refusal (errors.md), or a description of the cause.',
  remote: 'The address of the client. Missing on a Unix socket.',
  request:
    'What the request does: lease IDs, revisions, watch IDs, sizes, and keys as `--log-keys` says.',
  requestBytes: 'Bytes of the messages of the client.',
  requestMessages: 'Number of messages of the client, for streams.',
  response: 'What the response reports, as for `request`.',
  responseBytes: 'Bytes of the messages to the client.',
  responseMessages: 'Number of messages to the client, for streams.',
  signal: 'The signal.',
  since: 'When the finding was first seen, in ISO 8601.',
  stack: 'The stack of the exception.',
  state: 'The state of a breaker or endpoint.',
  subject: 'What the finding concerns. A key appears as `--log-keys` says.',
  suppressed: 'Lines like this one that were not written since the last one.',
  tenant: 'The tenant.',
  text: 'The text of the status of a call; the advice of a finding.',
  version: 'The version of etcd-bulkhead.',
} as const;

const call = ['method', 'tenant', 'listener', 'remote'] as const;
const ended = [
  ...call,
  ...(['code', 'ms', 'requestBytes', 'responseBytes', 'text', 'cancelled'] as const),
] as const;
const endedStream = [...ended, 'requestMessages', 'responseMessages'] as const;

// biome-ignore format: a table, one event per row
export const logEvents: readonly LogEvent[] = [
  { event: 'starting', log: '', levels: 'info', when: 'The process starts.', fields: ['version', 'node', 'pid'] },
  { event: 'serving', log: '', levels: 'info', when: 'Every listener is bound.', fields: ['addresses', 'admin'] },
  { event: 'cannot start', log: '', levels: 'fatal', when: 'The process ends, because it cannot bind an address.', fields: ['error'] },
  { event: 'draining', log: '', levels: 'info, error', when: 'The process stops after a signal, or at `error` after a failure.', fields: ['signal', 'reason'] },
  { event: 'stopped', log: '', levels: 'info, warn', when: 'The drain has ended.', fields: ['callsCutOff', 'open'] },
  { event: 'fault', log: '', levels: 'error, fatal', when: 'A bug of the proxy. At `error` one call ends, at `fatal` the process.', fields: ['method', 'error', 'origin', 'stack', 'pid'] },
  { event: 'too few file descriptors', log: '', levels: 'warn', when: 'Fewer connections are possible than configured.', fields: ['max-connections', 'permitted'] },
  { event: 'address not available', log: '', levels: 'info', when: 'An optional address cannot be bound.', fields: ['address', 'code'] },
  { event: 'reloading', log: '', levels: 'info', when: 'A signal or a changed file causes a reload.', fields: ['reason'] },
  { event: 'reloaded', log: '', levels: 'info', when: 'The configuration was applied.', fields: ['needRestart'] },
  { event: 'reload failed; the previous configuration stays active', log: '', levels: 'error', when: 'The configuration was rejected.', fields: ['problems'] },
  { event: 'directory is not watched', log: '', levels: 'warn', when: 'Changes of files in the directory are not noticed.', fields: ['directory', 'reason'] },
  { event: 'breaker', log: '', levels: 'warn', when: 'A breaker changes its state.', fields: ['tenant', 'breaker', 'state'] },
  { event: 'cannot log in to etcd', log: '', levels: 'error', when: 'etcd rejects the credentials of the proxy.', fields: ['reason'] },
  { event: 'cluster replaced', log: '', levels: 'warn', when: 'The endpoints belong to another cluster than before.', fields: [] },
  { event: 'namespace violation', log: '', levels: 'error', when: 'A response of etcd contained a key outside of the namespace. It was not delivered.', fields: ['method', 'tenant', 'fault'] },
  { event: 'finding', log: '', levels: 'warn', when: 'The advice has found something: at most once per hour and finding. See advice.md.', fields: ['tenant', 'finding', 'subject', 'since', 'figures', 'text'] },
  { event: 'worker serving', log: '', levels: 'info', when: 'A worker serves.', fields: ['pid'] },
  { event: 'worker failed', log: '', levels: 'error', when: 'A worker could not start.', fields: ['error'] },
  { event: 'worker ended', log: '', levels: 'info, warn', when: 'A worker has ended.', fields: ['pid', 'code', 'signal'] },
  { event: 'worker restarts', log: '', levels: 'info', when: 'A worker will be started again.', fields: ['delayMs'] },

  { event: 'call rejected', log: '', levels: 'info', when: 'The proxy rejects a call: one line per 10 s, tenant and reason.', fields: [...call, 'reason', 'hint', 'suppressed'] },
  { event: 'call', log: '', levels: 'debug', when: 'A unary call has ended.', fields: [...ended, 'request', 'response'] },
  { event: 'stream opened', log: '', levels: 'debug', when: 'A stream has opened.', fields: call },
  { event: 'stream request', log: '', levels: 'debug', when: 'A message of the client on a stream, for example the create of a watch.', fields: [...call, 'request'] },
  { event: 'stream response', log: '', levels: 'debug', when: 'A message to the client on a stream, for example that a watch was created or cancelled, or events.', fields: [...call, 'response'] },
  { event: 'stream closed', log: '', levels: 'debug', when: 'A stream has ended.', fields: endedStream },

  { event: 'call', log: 'access', levels: 'info', when: 'A unary call has ended.', fields: ['cause', ...ended, 'request', 'response', 'suppressed'] },
  { event: 'stream opened', log: 'access', levels: 'info', when: 'A stream has opened.', fields: ['cause', ...call, 'suppressed'] },
  { event: 'stream closed', log: 'access', levels: 'info', when: 'A stream has ended.', fields: ['cause', ...endedStream, 'suppressed'] },

  { event: 'admin action', log: 'audit', levels: 'info', when: 'An operator has performed an action on the admin address.', fields: ['outcome', 'kind', 'tenant', 'breaker', 'endpoint', 'state', 'remote', 'reason', 'suppressed'] },
  { event: 'owner call', log: 'audit', levels: 'info', when: 'The owner of the cluster has called a method that acts on the whole cluster.', fields: ['outcome', ...call, 'identity', 'code', 'ms', 'text', 'suppressed'] },
  { event: 'identity refused', log: 'audit', levels: 'info', when: 'A call presented an identity that is invalid or maps to no tenant, or none where one is required.', fields: ['outcome', 'reason', 'method', 'listener', 'remote', 'identity', 'suppressed'] },
  { event: 'login failed', log: 'audit', levels: 'info', when: 'Authenticate with a wrong name or password. A name that does not exist is not written.', fields: ['outcome', 'reason', 'method', 'listener', 'remote', 'identity', 'suppressed'] },
  { event: 'method refused', log: 'audit', levels: 'info', when: 'A tenant called a method on the whole cluster that it may not call, or a read-only tenant wrote.', fields: ['outcome', ...call, 'identity', 'reason', 'suppressed'] },
  { event: 'foreign lease', log: 'audit', levels: 'info', when: 'A tenant named a lease of another tenant. It was not revoked or renewed.', fields: ['outcome', ...call, 'identity', 'suppressed'] },
  { event: 'configuration applied', log: 'audit', levels: 'info', when: 'A configuration became active, at the start or by a reload.', fields: ['outcome', 'hash', 'needRestart', 'suppressed'] },
  { event: 'configuration rejected', log: 'audit', levels: 'info', when: 'A configuration has problems. The previous one stays active.', fields: ['outcome', 'problems', 'suppressed'] },
];

/** In every line. */
export const commonFields = ['level', 'time', 'event', 'log', 'worker'] as const;
