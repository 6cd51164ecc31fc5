/** The settings of the process itself: its configuration file, workers, admin address, log and transport. */
import type { Setting } from '../setting.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

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
    kind: 'boolean',
    default: 'false',
    section: 'operation',
    reload: 'restart',
    doc: 'Include keys in log messages and traces. Values are never logged.',
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
