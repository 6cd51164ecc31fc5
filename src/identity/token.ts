/**
 * The token that a call shows → its tenant, where its listener identifies by tokens: one of our sessions, or a bearer token.
 * A token that is shown and no good ends the call; it is never ignored in favour of who the caller might be otherwise.
 */
import type { RefusalName } from '../call/refusals.ts';
import type { Directory } from '../tenant/directory.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { Verified } from './bearer.ts';
import { credentialOf } from './credential.ts';
import type { Resolver } from './identify.ts';
import type { Sessions } from './sessions.ts';

export function byToken(sessions: Sessions): Resolver {
  return ({ metadata, peer }, directory) => {
    const token = credentialOf(metadata);
    if (token === undefined) return null;
    const listener = directory.listener(peer.listener);
    // Somebody else's to judge: etcd's.
    if (listener === null || listener.passesCredentials) return null;
    // Ours have no dots, and JWTs have two.
    if (listener.byUser && !token.includes('.')) {
      const identity = sessions.identityOf(token, directory);
      return identity === null ? 'token-invalid' : tenantOf(identity, directory);
    }
    // As etcd does with a token while its authentication is off.
    if (!listener.byJwt || directory.bearer === null) return 'token-invalid';
    const verified = directory.bearer.verify(token, peer);
    return verified instanceof Promise
      ? verified.then((each) => judged(each, directory))
      : judged(verified, directory);
  };
}

function judged(verified: Verified, directory: Directory): Tenant | RefusalName {
  if (verified === 'invalid') return 'token-invalid';
  if (verified === 'busy') return 'authentication-limit';
  return tenantOf(verified.identity, directory);
}

function tenantOf(identity: string, directory: Directory): Tenant | RefusalName {
  return directory.byIdentity(identity) ?? 'tenant-unknown';
}
