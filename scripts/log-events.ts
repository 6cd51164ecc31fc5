/**
 * Every line that the program logs, for docs/logs.md: its event and its fields. test/unit/observe/log-events.test.ts compares the
 * table with the source, and tests of the logs compare their lines with it.
 */

export interface LogEvent {
  readonly event: string;
  /** The field `log`. Empty: the log of the process, and `mirror`: that of the command, whose lines have no such field. */
  readonly log: '' | 'access' | 'audit' | 'mirror';
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
  cluster: '`source` or `destination`.',
  code: 'The gRPC code of a call; the exit code of a worker; the error code of the system for an address.',
  comparedKeys: 'Keys of the source that were compared.',
  delayMs: 'Milliseconds until the worker is started again.',
  deletes: 'Keys that the mirror has deleted at the destination.',
  directory: 'The directory of a file of the configuration.',
  domain: 'The domain of `--discovery-srv`.',
  endpoint: 'The endpoint of etcd.',
  endpoints: 'Addresses of etcd.',
  error: 'The message of an exception, with its stack if it is a fault.',
  fault: 'What the response of etcd contained.',
  figures: 'The figures of a finding; see advice.md.',
  finding: 'The name of a finding; see advice.md.',
  hash: 'The hash of the configuration, as in `/configz`.',
  hint: 'What to do instead, as the client receives it.',
  identity:
    'What the client proved or presented: `user:…`, `claim:…`, or the names in its certificate; `listener` if it presented nothing.',
  isInsecure: 'Whether endpoints without TLS are accepted.',
  isResumed: 'Whether the copy continues an earlier one.',
  kind: 'What an action concerns: `breaker` or `endpoint`.',
  lagSeconds: 'How far the destination is behind the source.',
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
  phase: '`copying` or `following`.',
  pid: 'The process ID.',
  positionRevision: 'The revision of the source up to which the destination has every change.',
  prefix: 'The value of `--resolver-prefix`.',
  problems: 'The problems of the configuration.',
  puts: 'Keys that the mirror has written at the destination.',
  reason: 'The name of a refusal (errors.md), or a description of the cause.',
  remote: 'The address of the client. Missing on a Unix socket.',
  request:
    'What the request does: lease IDs in hexadecimal, revisions, watch IDs, sizes, and keys as `--log-keys` says.',
  requestBytes: 'Bytes of the messages of the client.',
  requestMessages: 'Number of messages of the client, for streams.',
  response: 'What the response reports, as for `request`.',
  responseBytes: 'Bytes of the messages to the client.',
  responseMessages: 'Number of messages to the client, for streams.',
  revision: 'A revision of the source.',
  serviceName: 'The value of `--discovery-srv-name`.',
  signal: 'The signal.',
  since: 'When the finding was first seen, in ISO 8601.',
  source: 'The ID of the cluster that is mirrored.',
  sourceRevision: 'The newest known revision of the source.',
  spans: 'Number of spans that were lost.',
  stack: 'The stack of the exception.',
  state: 'The state of a breaker or endpoint; of a mirror, what its stored position says.',
  subject: 'What the finding concerns. A key appears as `--log-keys` says.',
  suppressed: 'Lines like this one that were not written since the last one.',
  tenant: 'The tenant.',
  text: 'The text of the status of a call; the advice of a finding.',
  ttlSeconds: 'The value of `--resolver-ttl`.',
  url: 'The value of `--otlp-endpoint`.',
  version: 'The version of etcd-bulkhead.',
} as const;

const call = ['method', 'tenant', 'listener', 'remote'] as const;
const ended = [
  ...call,
  ...(['code', 'ms', 'requestBytes', 'responseBytes', 'text', 'cancelled'] as const),
] as const;
const endedStream = [...ended, 'requestMessages', 'responseMessages'] as const;

const mirrorFigures = [
  ...(['phase', 'puts', 'deletes', 'positionRevision', 'sourceRevision', 'lagSeconds'] as const),
] as const;

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
  { event: 'endpoints discovered', log: '', levels: 'info', when: 'SRV records name other endpoints than before.', fields: ['domain', 'serviceName', 'isInsecure', 'endpoints'] },
  { event: 'discovery failed', log: '', levels: 'warn', when: 'SRV records cannot be read. The endpoints found before stay in use.', fields: ['domain', 'reason', 'endpoints'] },
  { event: 'endpoints from the member list', log: '', levels: 'info', when: 'The member list has other voters than before.', fields: ['endpoints'] },
  { event: 'registered', log: '', levels: 'info', when: 'The proxy is registered in etcd.', fields: ['prefix', 'ttlSeconds'] },
  { event: 'cannot register', log: '', levels: 'warn', when: 'The registration in etcd has failed. It is repeated.', fields: ['prefix', 'ttlSeconds', 'reason'] },
  { event: 'traces not exported', log: '', levels: 'warn', when: 'The collector does not accept spans: one line per minute.', fields: ['url', 'reason', 'spans', 'suppressed'] },
  { event: 'systemd was not notified', log: '', levels: 'warn', when: 'systemd-notify has failed or could not be started. Later failures are not logged.', fields: ['error'] },
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

  { event: 'serving', log: 'mirror', levels: 'info', when: 'The admin address is bound.', fields: ['addresses', 'admin'] },
  { event: 'started', log: 'mirror', levels: 'info', when: 'The position at the destination was read or created.', fields: ['source', 'revision', 'state'] },
  { event: 'copying', log: 'mirror', levels: 'info', when: 'All keys are compared and copied.', fields: ['revision', 'isResumed'] },
  { event: 'copied', log: 'mirror', levels: 'info', when: 'The copy is complete.', fields: ['revision', 'comparedKeys', 'puts', 'deletes'] },
  { event: 'following', log: 'mirror', levels: 'info', when: 'The changes after a revision are applied as they arrive.', fields: ['revision'] },
  { event: 'lag', log: 'mirror', levels: 'info, warn', when: 'Once per minute. At `warn` if the mirror is more than 30 s behind.', fields: mirrorFigures },
  { event: 'compacted', log: 'mirror', levels: 'warn', when: 'The source has compacted changes that were not applied yet. All keys are compared again.', fields: ['reason'] },
  { event: 'interrupted', log: 'mirror', levels: 'warn', when: 'A call failed. The mirror continues from its position.', fields: ['reason'] },
  { event: 'retry', log: 'mirror', levels: 'debug', when: 'A call is repeated.', fields: ['cluster', 'reason'] },
  { event: 'stopped', log: 'mirror', levels: 'info', when: 'The process ends after a signal, or because `--once` is complete.', fields: ['reason', ...mirrorFigures] },
  { event: 'failed', log: 'mirror', levels: 'fatal', when: 'The process ends with exit code 1.', fields: ['reason', ...mirrorFigures] },
];

/** In every line. */
export const commonFields = ['level', 'time', 'event', 'log', 'worker'] as const;
