/** The settings of the process itself: its configuration file, workers, admin address, log and transport. */
import type { Setting } from '../setting.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** How log lines show keys. */
export const keyForms = ['off', 'hash', 'truncated', 'on'] as const;
export type KeyForm = (typeof keyForms)[number];

export const accessLogModes = ['off', 'errors', 'sampled'] as const;
export type AccessLogMode = (typeof accessLogModes)[number];

export const transports = ['native', 'grpc-js'] as const;
export type TransportName = (typeof transports)[number];

export const operationSettings = {
  config: {
    kind: 'file',
    default: '',
    section: 'operation',
    reload: 'applied',
    doc: 'Configuration file (YAML or JSON). Required to configure more than one tenant.',
    dev: 'fixed',
    notInFile: true,
  },
  workers: {
    kind: 'integer',
    default: '1',
    min: 1,
    max: 64,
    section: 'operation',
    reload: 'restart',
    doc: 'Number of processes that serve clients on the same addresses. Each has its own connections and watches at etcd.',
    dev: 'fixed',
  },
  'admin-addr': {
    kind: 'address',
    default: '127.0.0.1:2381',
    section: 'operation',
    reload: 'restart',
    doc: 'Address that serves probes, metrics and state over HTTP. Port 0 picks a free port; empty disables it.',
  },
  'admin-tls': {
    kind: 'boolean',
    default: 'false',
    section: 'operation',
    reload: 'restart',
    doc: 'Serve the admin address over TLS, as --cert-file and --trusted-ca-file say for clients.',
    dev: 'fixed',
  },
  'admin-actions': {
    kind: 'boolean',
    default: 'false',
    section: 'operation',
    reload: 'restart',
    doc: 'Let the admin address open and close breakers and eject endpoints, with POST.',
  },
  'admin-shutdown': {
    kind: 'boolean',
    default: 'false',
    section: 'operation',
    reload: 'restart',
    doc: 'Let POST /quitquitquit on the admin address drain and end the process, from loopback only. See the shutdown command.',
  },
  'log-level': {
    kind: 'choice',
    default: 'info',
    choices: logLevels,
    section: 'operation',
    reload: 'restart',
    doc: 'Minimum level of log messages. info logs lifecycle events, debug also logs every call.',
  },
  'log-keys': {
    kind: 'choice',
    default: 'off',
    choices: keyForms,
    isSwitch: true,
    section: 'operation',
    reload: 'restart',
    doc: 'Show keys in log messages and traces: not at all, as a hash, their first 16 bytes, or as they are. Values are never logged.',
  },
  'access-log': {
    kind: 'choice',
    default: 'off',
    choices: accessLogModes,
    section: 'operation',
    reload: 'restart',
    doc: 'Log calls at any log level but silent. errors: calls that fail or are slow. sampled: also streams, and a sample of the other calls.',
  },
  'access-log-slow': {
    kind: 'duration',
    default: '1s',
    min: 1,
    section: 'operation',
    reload: 'restart',
    doc: 'From which duration a call is slow for the access log. Streams, Lock and Campaign are never slow.',
  },
  'access-log-sample': {
    kind: 'integer',
    default: '100',
    min: 1,
    max: 1_000_000,
    section: 'operation',
    reload: 'restart',
    doc: 'Of how many calls the access log contains one, chosen at random, beside errors and slow calls.',
  },
  'access-log-rate': {
    kind: 'integer',
    default: '100',
    min: 1,
    max: 100_000,
    section: 'operation',
    reload: 'restart',
    doc: 'Maximum lines per second and process of the access log, for errors and slow calls, of which one tenant has at most a quarter, and again for all other lines. Further lines are counted.',
  },
  'audit-log': {
    kind: 'choice',
    default: 'on',
    choices: ['off', 'on'],
    isSwitch: true,
    section: 'operation',
    reload: 'restart',
    doc: 'Log administrative calls, and refusals of identities and methods, at any log level but silent.',
  },
  advice: {
    kind: 'choice',
    default: 'on',
    choices: ['off', 'on'],
    isSwitch: true,
    section: 'operation',
    reload: 'restart',
    doc: 'Observe samples of the calls of each tenant, for /advicez and the findings in the log.',
  },
  'otlp-endpoint': {
    kind: 'text',
    default: '',
    section: 'operation',
    reload: 'restart',
    doc: 'URL of an OpenTelemetry collector (OTLP over HTTP, JSON) that receives traces of calls. Empty: calls are not traced. Headers and certificates: the variables OTEL_EXPORTER_OTLP_….',
  },
  'trace-ratio': {
    kind: 'text',
    default: '0.01',
    section: 'operation',
    reload: 'restart',
    doc: 'Share of calls that are traced, from 0 to 1, if the client has no trace of its own. Otherwise the client decides.',
  },
  transport: {
    kind: 'choice',
    default: 'native',
    choices: transports,
    section: 'operation',
    reload: 'restart',
    doc: 'HTTP/2 implementation. grpc-js is the fallback if native has a defect.',
  },
} as const satisfies Record<string, Setting>;
