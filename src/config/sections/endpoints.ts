/** The etcd endpoints, and whether the proxy uses TLS to each of them. */
import type { ClientTls, SocketAddress } from '../../grpc/transport.ts';
import type { ParsedEndpoint } from '../address.ts';
import type { FileContents } from '../file-contents.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';
import { clientTls } from './tls.ts';

export interface EndpointConfig {
  /** The endpoint as configured, for logs and metrics. */
  readonly name: string;
  readonly address: SocketAddress;
  /** Null: plain text. */
  readonly tls: ClientTls | null;
}

export interface EndpointTls {
  /** For https:// addresses. */
  readonly secureTls: ClientTls;
  /** For addresses without a scheme. Null: plain text. */
  readonly schemelessTls: ClientTls | null;
}

export interface ResolvedEndpoints extends EndpointTls {
  readonly endpoints: readonly EndpointConfig[];
}

export function resolveEndpoints(
  settings: Settings,
  contents: FileContents,
  report: ProblemReporter,
): ResolvedEndpoints {
  const configured = clientTls(settings, contents, report);
  // https:// without further settings trusts the CA certificates of the system.
  const systemTrust: ClientTls = {
    authorities: null,
    certificate: null,
    key: null,
    serverName: settings['server-name'] || null,
    skipVerification: false,
  };
  const usesTls =
    configured !== null ||
    settings['discovery-srv'] !== '' ||
    settings.endpoints.some(({ secure }) => secure === true);
  if (settings['server-name'] !== '' && !usesTls) {
    report('server-name', 'has no effect: no setting enables TLS to etcd');
  }
  const tls = { secureTls: configured ?? systemTrust, schemelessTls: configured };
  return { endpoints: settings.endpoints.map((parsed) => endpointConfig(parsed, tls)), ...tls };
}

/** As in etcd's own client, the scheme decides: the TLS settings do not apply to http://. */
export function endpointConfig(
  { text, address, secure }: ParsedEndpoint,
  { secureTls, schemelessTls }: EndpointTls,
): EndpointConfig {
  if (secure === false) return { name: text, address, tls: null };
  return { name: text, address, tls: secure === true ? secureTls : schemelessTls };
}
