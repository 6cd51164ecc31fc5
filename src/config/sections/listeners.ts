/**
 * The addresses that accept clients, and how each identifies them: from `listeners` in the file, or from --listen-addr for
 * a single tenant. Checks that the settings that an identity source depends on are set.
 */
import type {
  ServerTls,
  SocketAddress,
  SocketPermissions,
  TlsProtocol,
} from '../../grpc/transport.ts';
import { parseAddress, reaches } from '../address.ts';
import { type ListEntry, type ListenerKey, socketKeys } from '../file.ts';
import type { FileContents } from '../file-contents.ts';
import { ListEntryReader } from '../list-entry.ts';
import { alternatives, type Problem, type ProblemReporter, suggestion } from '../problem.ts';
import type { Settings } from '../schema.ts';
import type { RawSettings } from '../setting-reporter.ts';
import { readSocketPermissions } from './socket-permissions.ts';
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
   * False for the default address [::1]:2379, which a machine without IPv6 does not have. An address that is already in
   * use is an error even then.
   */
  readonly required: boolean;
}

export interface ListenersInput extends RawSettings {
  readonly settings: Settings;
  readonly tenants: readonly TenantConfig[];
  /** For every listener without a certificate of its own. */
  readonly tls: ServerTls | null;
  /** For every listener with TLS. Null: the defaults. */
  readonly protocol: TlsProtocol | null;
  readonly contents: FileContents;
  readonly report: ProblemReporter;
}

export function resolveListeners(
  input: ListenersInput,
  problems: Problem[],
): readonly ListenerConfig[] {
  const entries = input.file?.listeners ?? null;
  const listeners =
    entries === null ? fromListenAddr(input, problems) : fromFile(entries, input, problems);
  reportDuplicates(listeners, problems);
  return listeners;
}

/** There may be thousands of listeners, so only those with the same port or path are compared. */
function reportDuplicates(listeners: readonly ListenerConfig[], problems: Problem[]): void {
  const byPort = Map.groupBy(listeners, ({ address }) =>
    'path' in address ? address.path : address.port,
  );
  for (const group of byPort.values()) {
    for (const [index, { name, address }] of group.entries()) {
      const first = group.slice(0, index).find((other) => reaches(address, other.address));
      if (first === undefined) continue;
      problems.push({ where: `listener ${name}`, what: `duplicate of listener ${first.name}` });
    }
  }
}

function fromListenAddr(
  { settings, explicit, tenants, tls, report }: ListenersInput,
  problems: Problem[],
): readonly ListenerConfig[] {
  if (tenants.length > 1) {
    problems.push({ where: 'listeners', what: 'the list is required with more than one tenant' });
  }
  const permissions = readSocketPermissions(settings, report);
  return settings['listen-addr'].map(({ text, address }, index) => ({
    name: text,
    address: 'path' in address ? { ...address, permissions } : address,
    tenant: tenants[0]?.name ?? defaultTenantName,
    identify: [],
    passesCredentials: settings['pass-credentials'],
    tls,
    required: index === 0 || explicit.has('listen-addr'),
  }));
}

function fromFile(
  entries: readonly ListEntry<ListenerKey>[],
  input: ListenersInput,
  problems: Problem[],
): readonly ListenerConfig[] {
  if (input.explicit.has('listen-addr')) {
    input.report('listen-addr', 'cannot be combined with a list of listeners in the file');
  }
  if (input.explicit.has('pass-credentials')) {
    input.report('pass-credentials', 'cannot be combined with a list of listeners in the file');
  }
  if (entries.length === 0) {
    problems.push({ where: 'listeners', what: 'the list must not be empty' });
  }
  const names = new Set(input.tenants.map((tenant) => tenant.name));
  const permissions = readSocketPermissions(input.settings, input.report);
  return entries.flatMap((entry) =>
    readListener(new ListEntryReader(entry, problems), names, { ...input, permissions }),
  );
}

interface FileInput extends ListenersInput {
  /** Of sockets that have no permissions of their own. */
  readonly permissions: SocketPermissions;
}

function readListener(
  reader: ListEntryReader<ListenerKey>,
  names: ReadonlySet<string>,
  input: FileInput,
): readonly ListenerConfig[] {
  const parsed = parseAddress(reader.text('address') ?? '');
  if (parsed === undefined) {
    reader.report('address', 'must be an address such as 127.0.0.1:2379 or unix:///path');
  }
  const identify = readIdentitySources(reader);
  const tenant = reader.text('tenant') ?? null;
  if (tenant === null && !reader.has('identify')) {
    reader.report('tenant', 'is required unless "identify" is set');
  } else if (tenant !== null && !names.has(tenant)) {
    // Searching very many names for a similar one takes long and rarely finds the intended one.
    const candidates = names.size > namesSuggestedMax ? [] : [...names];
    const what = `must be the name of a configured tenant, not "${tenant}"`;
    reader.report('tenant', what + suggestion(tenant, candidates));
  }
  const passesCredentials = reader.boolean('pass-credentials');
  const ownFiles = ownTls(reader, input);
  if (ownFiles === null && reader.has('client-crl-file')) {
    reader.report('client-crl-file', 'requires "cert-file" and "trusted-ca-file" here');
  }
  const tls = ownFiles ?? input.tls;
  checkIdentitySources({ reader, identify, passesCredentials, tls, settings: input.settings });
  if (parsed === undefined) return [];
  const { text: name } = parsed;
  const address = withPermissions(parsed.address, reader, input);
  return [{ name, address, tenant, identify, passesCredentials, tls, required: true }];
}

const namesSuggestedMax = 1_000;

function withPermissions(
  address: SocketAddress,
  reader: ListEntryReader<ListenerKey>,
  { settings, permissions }: FileInput,
): SocketAddress {
  const own = socketKeys.filter((key) => reader.has(key));
  if ('path' in address) {
    if (own.length === 0) return { ...address, permissions };
    const [mode = '', group = ''] = socketKeys.map((key) => reader.text(key) ?? settings[key]);
    const texts = { 'socket-mode': mode, 'socket-group': group };
    return { ...address, permissions: readSocketPermissions(texts, reader.report) };
  }
  for (const key of own) reader.report(key, 'applies only to an address such as unix:///path');
  return address;
}

function readIdentitySources(reader: ListEntryReader<ListenerKey>): readonly IdentitySource[] {
  return (reader.texts('identify') ?? []).flatMap((text) => {
    const source = identitySources.find((each) => each === text);
    if (source !== undefined) return [source];
    const what = `must be ${alternatives(identitySources)}, not "${text}"`;
    reader.report('identify', what + suggestion(text, identitySources));
    return [];
  });
}

function ownTls(
  reader: ListEntryReader<ListenerKey>,
  { contents, protocol, settings }: ListenersInput,
): ServerTls | null {
  const files = {
    'cert-file': reader.text('cert-file') ?? '',
    'key-file': reader.text('key-file') ?? '',
    'trusted-ca-file': reader.text('trusted-ca-file') ?? '',
    'client-crl-file': reader.text('client-crl-file') ?? settings['client-crl-file'],
  };
  return serverTls(files, protocol, contents, reader.report);
}

interface ListenerIdentification {
  readonly reader: ListEntryReader<ListenerKey>;
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
}: ListenerIdentification): void {
  if (identify.includes('certificate') && tls?.clientAuthorities == null) {
    reader.report('identify', 'by certificate requires "trusted-ca-file" here or at the top level');
  }
  if (identify.includes('user') && settings['users-file'] === '') {
    reader.report('identify', 'by user requires "users-file"');
  }
  if (identify.includes('jwt') && settings['jwks-file'] === '') {
    reader.report('identify', 'by jwt requires "jwks-file"');
  }
  if (passesCredentials && (identify.includes('user') || identify.includes('jwt'))) {
    reader.report(
      'pass-credentials',
      'cannot be combined with "identify" by user or jwt: the proxy does not forward those tokens',
    );
  }
}
