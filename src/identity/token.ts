/**
 * Identifies a call by the token it presents: a session token of the proxy, or a bearer token. An invalid token ends the
 * call; the identity sources after this one are not tried.
 */
import type { Directory } from '../tenant/directory.ts';
import type { BearerTokens } from './bearer.ts';
import type { VerificationResult } from './bearer-verifier.ts';
import { credentialOf } from './credential.ts';
import type { Identification, IdentitySource } from './identify.ts';
import type { Sessions } from './sessions.ts';

export function byToken(sessions: Sessions, bearerTokens: BearerTokens): IdentitySource {
  return ({ metadata, peer }, directory) => {
    const token = credentialOf(metadata);
    if (token === undefined) return null;
    const listener = directory.listener(peer.listener);
    // On a listener that passes credentials, etcd verifies the token.
    if (listener === null || listener.passesCredentials) return null;
    // Session tokens have no dots; JWTs have two.
    if (listener.byUser && !token.includes('.')) {
      const identity = sessions.identityOf(token, directory);
      return identity === null ? 'token-invalid' : tenantOf(identity, directory);
    }
    // etcd rejects a token in the same way while its authentication is disabled.
    if (!listener.byJwt || directory.bearer === null) return 'token-invalid';
    const result = bearerTokens.verify(directory.bearer, token, peer);
    return result instanceof Promise
      ? result.then((late) => tenantOfResult(late, directory))
      : tenantOfResult(result, directory);
  };
}

function tenantOfResult(result: VerificationResult, directory: Directory): Identification {
  if (result === 'invalid') return 'token-invalid';
  if (result === 'busy') return 'authentication-limit';
  return tenantOf(result.identity, directory);
}

function tenantOf(identity: string, directory: Directory): Identification {
  return directory.byIdentity(identity) ?? 'tenant-unknown';
}
