/**
 * The identity that a call presented, as text for the audit log: what its token proved, the names in its certificate, or
 * `listener`. Tokens are not part of it.
 */
import type { Call } from '../call/call.ts';
import { printable } from '../etcd/printable.ts';
import type { PeerCertificate } from '../grpc/transport.ts';
import type { Directory } from '../tenant/directory.ts';
import type { BearerTokens } from './bearer.ts';
import { credentialOf } from './credential.ts';
import type { Sessions } from './sessions.ts';

/** A certificate may have many and long names. */
const namesMax = 4;
const nameBytesMax = 64;

/** `token` for a token that is not valid, or whose verification is not cached. */
export function identityName(
  { metadata, peer }: Call,
  directory: Directory,
  sessions: Sessions,
  bearerTokens: BearerTokens,
): string {
  const listener = directory.listener(peer.listener);
  const token = credentialOf(metadata);
  if (token !== undefined && listener !== null && !listener.passesCredentials) {
    if (!token.includes('.')) return shown(sessions.identityOf(token, directory) ?? 'token');
    const identity =
      directory.bearer === null ? null : bearerTokens.verified(directory.bearer, token);
    return shown(identity ?? 'token');
  }
  if (peer.certificate !== null && listener?.byCertificate === true) {
    return certificateName(peer.certificate);
  }
  return 'listener';
}

function certificateName({ commonNames, uris, dnsNames }: PeerCertificate): string {
  const names = [
    ...uris.map((name) => `uri:${name}`),
    ...dnsNames.map((name) => `dns:${name}`),
    ...commonNames.map((name) => `cn:${name}`),
  ];
  return names.slice(0, namesMax).map(shown).join(' ');
}

function shown(name: string): string {
  return printable(Buffer.from(name), nameBytesMax);
}
