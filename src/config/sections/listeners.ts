/**
 * Where clients connect, and how each listener tells who they are: from `listeners` of the file, or, for a single tenant,
 * from --listen-addr. Everything that a way to identify needs must be there, or nobody could ever be identified by it.
 */
import type { ServerTls, SocketAddress } from '../../grpc/transport.ts';
import { parseAddress, reaches } from '../address.ts';
import type { ConfigFile, ListEntry, RawValue } from '../file.ts';
import { ListEntryReader } from '../list-entry.ts';
import { type Problem, suggestion } from '../problem.ts';
import type { SettingName, Settings } from '../schema.ts';
import { defaultTenantName, type TenantConfig } from './tenants.ts';
import { serverTls } from './tls.ts';

/** What a listener identifies clients by, in etcd's order of precedence: a token wins over a certificate. */
export const identitySources = ['user', 'jwt', 'certificate'] as const;
export type IdentitySource = (typeof identitySources)[number];

export interface ListenerConfig {
  /** The address as configured; the `listener` of every `Peer` that it accepts. */
  readonly name: string;
  readonly address: SocketAddress;
  /** Tenant of clients that present no identity. Null: such clients are rejected. */
  readonly tenant: string | null;
  /** Empty: the listener does not identify clients. */
  readonly identify: readonly IdentitySource[];
  /** True: calls carry the client's own token to etcd instead of the proxy's. */
  readonly passesCredentials: boolean;
  /** Null: plain text. */
  readonly tls: ServerTls | null;
  /**
   * False for the default address [::1]:2379, which is not available on a machine without IPv6. An address that is
   * already in use is an error even then.
   */
  readonly required: boolean;
}

export interface ListenersInput {
  readonly settings: Settings;
  readonly given: ReadonlyMap<SettingName, RawValue>;
  readonly file: ConfigFile | null;
  readonly tenants: readonly TenantConfig[];
  /** For every listener that has no certificate of its own. */
  readonly tls: ServerTls | null;
}

export function resolveListeners(
  input: ListenersInput,
  problems: Problem[],
): readonly ListenerConfig[] {
  const entries = input.file?.listeners ?? null;
  const listeners =
    entries === null ? sharedListeners(input, problems) : ownListeners(entries, input, problems);
  // Only those with the same port or path can be the same, and there may be thousands.
  const byPlace = Map.groupBy(listeners, ({ address }) =>
    'path' in address ? address.path : address.port,
  );
  for (const neighbours of byPlace.values()) {
    for (const [index, { name, address }] of neighbours.entries()) {
      const earlier = neighbours.slice(0, index);
      if (earlier.some((other) => reaches(address, other.address))) {
        problems.push({ where: `listener ${name}`, what: 'stands there twice' });
      }
    }
  }
  return listeners;
}

/** --listen-addr, all of them for the one tenant. */
function sharedListeners(
  { settings, given, tenants, tls }: ListenersInput,
  problems: Problem[],
): readonly ListenerConfig[] {
  if (tenants.length > 1) {
    problems.push({
      where: 'listeners',
      what: 'the list is missing: with several tenants it says who connects where',
    });
  }
  return settings['listen-addr'].map(({ text, address }, index) => ({
    name: text,
    address,
    tenant: tenants[0]?.name ?? defaultTenantName,
    identify: [],
    passesCredentials: false,
    tls,
    required: index === 0 || given.has('listen-addr'),
  }));
}

function ownListeners(
  entries: readonly ListEntry[],
  input: ListenersInput,
  problems: Problem[],
): readonly ListenerConfig[] {
  const where = input.given.get('listen-addr')?.where;
  if (where !== undefined) {
    problems.push({ where, what: 'the file lists listeners; say it there' });
  }
  if (entries.length === 0) problems.push({ where: 'listeners', what: 'the list is empty' });
  const names = new Set(input.tenants.map((tenant) => tenant.name));
  return entries.flatMap((entry) =>
    readListener(new ListEntryReader(entry, problems), names, input),
  );
}

function readListener(
  reader: ListEntryReader,
  names: ReadonlySet<string>,
  input: ListenersInput,
): readonly ListenerConfig[] {
  const parsed = parseAddress(reader.text('address') ?? '');
  if (parsed === undefined) {
    reader.report('address', 'must be an address such as 127.0.0.1:2379 or unix:///path');
  }
  const identify = readIdentitySources(reader);
  const tenant = reader.text('tenant') ?? null;
  if (tenant === null && !reader.has('identify')) {
    reader.report('tenant', 'is missing, or "identify", which says how clients are told apart');
  } else if (tenant !== null && !names.has(tenant)) {
    // Among very many names the nearest one takes long to find, and is most likely not meant.
    const candidates = names.size > namesSuggestedMax ? [] : [...names];
    reader.report('tenant', `names no tenant of the list${suggestion(tenant, candidates)}`);
  }
  const passesCredentials = reader.boolean('pass-credentials');
  const tls = ownTls(reader) ?? input.tls;
  checkIdentitySources({ reader, identify, passesCredentials, tls, settings: input.settings });
  if (parsed === undefined) return [];
  const { text: name, address } = parsed;
  return [{ name, address, tenant, identify, passesCredentials, tls, required: true }];
}

const namesSuggestedMax = 1_000;

function readIdentitySources(reader: ListEntryReader): readonly IdentitySource[] {
  return (reader.texts('identify') ?? []).flatMap((text) => {
    const source = identitySources.find((each) => each === text);
    if (source !== undefined) return [source];
    reader.report(
      'identify',
      `has "${text}", not one of ${identitySources.join(', ')}${suggestion(text, identitySources)}`,
    );
    return [];
  });
}

function ownTls(reader: ListEntryReader): ServerTls | null {
  const files = {
    'cert-file': reader.text('cert-file') ?? '',
    'key-file': reader.text('key-file') ?? '',
    'trusted-ca-file': reader.text('trusted-ca-file') ?? '',
  };
  return serverTls(files, reader.report);
}

interface Choice {
  readonly reader: ListEntryReader;
  readonly identify: readonly IdentitySource[];
  readonly passesCredentials: boolean;
  readonly tls: ServerTls | null;
  readonly settings: Settings;
}

function checkIdentitySources({
  reader,
  identify,
  passesCredentials,
  tls,
  settings,
}: Choice): void {
  if (identify.includes('certificate') && tls?.clientAuthorities == null) {
    reader.report('identify', 'by certificate needs "trusted-ca-file", here or for all listeners');
  }
  if (identify.includes('user') && settings['users-file'] === '') {
    reader.report('identify', 'by user needs "users-file"');
  }
  if (identify.includes('jwt') && settings['jwks-file'] === '') {
    reader.report('identify', 'by jwt needs "jwks-file"');
  }
  if (passesCredentials && (identify.includes('user') || identify.includes('jwt'))) {
    reader.report('pass-credentials', 'cannot be: here a token says who calls, and ends');
  }
}
