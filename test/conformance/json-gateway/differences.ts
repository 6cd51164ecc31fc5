/**
 * Where the responses through the proxy differ from those of etcd, each with the reason. docs/json-gateway.md has the list
 * for users. Any other difference is a fault.
 */
import { etcdVersion } from '../../support/etcd-release.ts';
import type { JsonRequest } from './exchange.ts';

interface Difference {
  readonly where: (request: JsonRequest, minor: number) => boolean;
  readonly why: string;
}

const named =
  (...texts: readonly string[]) =>
  ({ name }: JsonRequest) =>
    texts.some((text) => name.includes(text));

const differences: readonly Difference[] = [
  {
    where: named(
      'lock/lock {"name":"bG9jaw==","lease":4720}',
      'election/campaign',
      'election/leader {"name":"dm90ZQ=="}',
    ),
    why: 'The keys of locks and elections end with the lease ID as it is stored.',
  },
  {
    where: ({ path }) => path === '/v3/auth/status',
    why: 'The proxy responds itself. The revision in the header is the last one that it has seen.',
  },
  {
    where: ({ path, body }, minor) =>
      minor === 4 && path === '/v3/kv/txn' && body.includes('[null]'),
    why: 'etcd 3.4 fails with a panic and closes the connection.',
  },
  {
    where: ({ body }, minor) =>
      minor === 4 && /"request_(delete_range|put)":[^:]*(:[^:]*)?"request_range"/.test(body),
    why: 'Of two members of a oneof, etcd 3.4 takes one at random. The proxy takes the last of the definition, as 3.5 does.',
  },
];

const [, minor = 0] = etcdVersion();

export function expectedDifference(request: JsonRequest): boolean {
  return differences.some(({ where }) => where(request, minor));
}
