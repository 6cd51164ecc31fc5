/**
 * Endpoints from DNS SRV records, with etcd's names and rules (client/pkg/srv, server/etcdmain/util.go): `_etcd-client-ssl._tcp` for
 * https and `_etcd-client._tcp` for http, each with an optional suffix. Without `isInsecure` only https is accepted.
 */
import { parseEndpoint } from '../config/address.ts';

export interface SrvQuery {
  readonly domain: string;
  /** Follows the service after a dash. Empty: none. */
  readonly serviceName: string;
  readonly isInsecure: boolean;
}

/** What node:dns has for an SRV record. Priorities and weights are not used, as in etcd. */
export interface SrvRecord {
  readonly name: string;
  readonly port: number;
}

export interface SrvResolver {
  /** Rejects with the error of the resolver, also without such records. */
  resolveSrv(name: string): Promise<readonly SrvRecord[]>;
}

/** More members than a cluster has. Further records are ignored. */
export const recordsMax = 64;

/** Resolves with endpoints as in --endpoints, sorted. Rejects with a description if no endpoint can be used. */
export async function discover(query: SrvQuery, resolver: SrvResolver): Promise<readonly string[]> {
  const [secure, plain] = await Promise.allSettled(
    ['-ssl', ''].map((suffix) => resolver.resolveSrv(nameOf(query, suffix))),
  );
  if (secure?.status === 'rejected' && plain?.status === 'rejected') {
    const [first, second] = [secure, plain].map(({ reason }) => (reason as Error).message);
    throw new Error(`dns lookup errors: ${first} and ${second}`);
  }
  const found = [
    ...endpointsOf('https', secure),
    ...(query.isInsecure ? endpointsOf('http', plain) : []),
  ];
  if (found.length > 0) return [...new Set(found)].toSorted().slice(0, recordsMax);
  const hasPlain = endpointsOf('http', plain).length > 0;
  throw new Error(
    hasPlain && !query.isInsecure
      ? 'all endpoints are insecure: set --insecure-discovery if this is intended'
      : 'no record names an endpoint',
  );
}

function nameOf({ domain, serviceName }: SrvQuery, suffix: string): string {
  const service = `etcd-client${suffix}${serviceName === '' ? '' : `-${serviceName}`}`;
  return `_${service}._tcp.${domain}`;
}

function endpointsOf(
  scheme: string,
  result: PromiseSettledResult<readonly SrvRecord[]> | undefined,
): readonly string[] {
  if (result?.status !== 'fulfilled') return [];
  return result.value
    .map(({ name, port }) => `${scheme}://${name.replace(/\.$/, '')}:${port}`)
    .filter((endpoint) => parseEndpoint(endpoint) !== undefined);
}
