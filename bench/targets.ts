/**
 * How each target is started: with its defaults, the address to listen on, etcd's address, a namespace if it supports one,
 * and certificates if the scenario uses TLS.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { limitSettings } from '../src/config/settings/limits.ts';
import type { Certificate } from './certificate.ts';
import { etcdOfLine } from './etcd-releases.ts';
import type { TargetName } from './scenario.ts';

/** The namespace of the targets that support one. The other targets get requests for the stored keys. */
export const namespace = 'bench/';

export interface Placement {
  /** Of each member. */
  readonly etcdPorts: readonly number[];
  readonly port: number;
  /** A second free port, for targets with a separate address for metrics and probes. */
  readonly adminPort: number;
  readonly certificate: Certificate | null;
  /** A writable path. */
  readonly configFile: string;
}

export interface Blueprint {
  /** The prefix that clients add to their keys to reach the same stored keys through every target. */
  readonly keyPrefix: string;
  command(placement: Placement): readonly [command: string, ...args: string[]];
}

function address(port: number): string {
  return `127.0.0.1:${port}`;
}

function etcdUrls({ etcdPorts, certificate }: Placement): string {
  const scheme = certificate === null ? 'http' : 'https';
  return etcdPorts.map((port) => `${scheme}://${address(port)}`).join(',');
}

/** Flags that `etcd grpc-proxy` and etcd-bulkhead share: the server certificate and the CA certificate for etcd. */
function tlsFlags(certificate: Certificate | null): string[] {
  return certificate === null
    ? []
    : [
        `--cacert=${certificate.certificateFile}`,
        `--cert-file=${certificate.certificateFile}`,
        `--key-file=${certificate.keyFile}`,
      ];
}

function haproxyConfig({ etcdPorts, port, certificate }: Placement): string {
  const listen = certificate === null ? 'proto h2' : `ssl crt ${certificate.combinedFile} alpn h2`;
  const dial =
    certificate === null ? 'proto h2' : `ssl ca-file ${certificate.certificateFile} alpn h2`;
  const servers = etcdPorts.map(
    (etcdPort, index) => `  server etcd-${index} ${address(etcdPort)} ${dial}`,
  );
  return `global
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend clients
  bind ${address(port)} ${listen}
  default_backend cluster
backend cluster
  http-reuse always
${servers.join('\n')}
`;
}

const nodeGateway = fileURLToPath(new URL('./node-gateway.ts', import.meta.url));

function bulkhead(transport: string, ...flags: string[]): Blueprint {
  const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  return {
    keyPrefix: '',
    command: (placement) => [
      process.execPath,
      // The same flags as in the image and the command's first line.
      ...['--max-semi-space-size=8', '--single-threaded-gc', '--no-maglev'],
      entry,
      'run',
      `--transport=${transport}`,
      `--endpoints=${etcdUrls(placement)}`,
      `--listen-addr=${address(placement.port)}`,
      `--admin-addr=${address(placement.adminPort)}`,
      `--namespace=${namespace}`,
      ...flags,
      ...tlsFlags(placement.certificate),
    ],
  };
}

function grpcProxy(etcd: string): Blueprint {
  return {
    keyPrefix: '',
    command: (placement) => [
      etcd,
      'grpc-proxy',
      'start',
      `--endpoints=${etcdUrls(placement)}`,
      `--listen-addr=${address(placement.port)}`,
      `--advertise-client-url=${address(placement.port)}`,
      `--namespace=${namespace}`,
      ...tlsFlags(placement.certificate),
    ],
  };
}

/** The limits whose default is not 0. */
const limits = Object.entries(limitSettings).flatMap(([name, setting]) =>
  setting.default === '0' ? [] : [name],
);

/** The targets that are started in addition to etcd. For the target `etcd`, the shared etcd itself is measured. */
export const blueprints: Readonly<Record<Exclude<TargetName, 'etcd'>, Blueprint>> = {
  'grpc-proxy': grpcProxy('etcd'),
  'grpc-proxy-3.7': grpcProxy(etcdOfLine('3.7')),
  gateway: {
    keyPrefix: namespace,
    command: ({ etcdPorts, port }) => [
      'etcd',
      'gateway',
      'start',
      `--endpoints=${etcdPorts.map(address).join(',')}`,
      `--listen-addr=${address(port)}`,
    ],
  },
  'node-gateway': {
    keyPrefix: namespace,
    // To the first member.
    command: ({ etcdPorts, port }) => [process.execPath, nodeGateway, `${port}`, `${etcdPorts[0]}`],
  },
  haproxy: {
    keyPrefix: namespace,
    command: (placement) => {
      writeFileSync(placement.configFile, haproxyConfig(placement));
      return ['haproxy', '-db', '-f', placement.configFile];
    },
  },
  'bulkhead-native': bulkhead('native'),
  'bulkhead-grpc-js': bulkhead('grpc-js'),
  'bulkhead-unshared': bulkhead('native', '--share-watches=false', '--share-keepalives=false'),
  'bulkhead-unlimited': bulkhead('native', ...limits.map((name) => `--${name}=0`)),
  'bulkhead-unobserved': bulkhead('native', '--advice=off'),
  'bulkhead-logged': bulkhead('native', '--access-log=sampled'),
  'bulkhead-cached': bulkhead('native', '--cache-reads'),
  'bulkhead-2-workers': bulkhead('native', '--workers=2'),
};
