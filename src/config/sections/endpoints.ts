/** The etcd endpoints, and whether the proxy uses TLS to each of them. */
import type { ClientTls, SocketAddress } from '../../grpc/transport.ts';
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

export interface ResolvedEndpoints {
  readonly endpoints: readonly EndpointConfig[];
  /** For https:// addresses. */
  readonly secureTls: ClientTls;
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
  // As in etcd's own client, the scheme decides: the TLS settings do not apply to http://.
  const tlsOf = (secure: boolean | null): ClientTls | null => {
    if (secure === false) return null;
    return configured ?? (secure === true ? systemTrust : null);
  };
  const endpoints = settings.endpoints.map(({ text, address, secure }) => {
    return { name: text, address, tls: tlsOf(secure) };
  });
  return { endpoints, secureTls: configured ?? systemTrust };
}
