/** The parts of the two layers that identify calls: one issues the session tokens that the other accepts. */
import { BearerTokens } from '../identity/bearer.ts';
import { byCertificate } from '../identity/certificate.ts';
import { HashingGate } from '../identity/hashing-gate.ts';
import { byListener } from '../identity/identify.ts';
import type { Passwords } from '../identity/password.ts';
import { Sessions } from '../identity/sessions.ts';
import { SignedTokens } from '../identity/signed-tokens.ts';
import { byToken } from '../identity/token.ts';
import { VerifiedPasswords } from '../identity/verified-passwords.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Parts } from '../pipeline.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { CurrentDirectory } from '../tenant/directory.ts';

export interface IdentityDependencies {
  readonly directory: CurrentDirectory;
  readonly passwords: Passwords;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  /** Signs session tokens without --token-key-file, for other workers. Null in a process without other workers. */
  readonly tokenKey: Uint8Array | null;
}

/** `header` is the content of a current ResponseHeader, with the proxy as its member. */
export function identityParts(
  dependencies: IdentityDependencies,
  header: () => Uint8Array,
): Pick<Parts, 'authenticate' | 'identify'> {
  const { directory, passwords, metrics, clock, random, tokenKey } = dependencies;
  const ownKeys = tokenKey === null ? [] : [tokenKey];
  const signed = new SignedTokens(() => {
    const { tokenKeys } = directory.current;
    return tokenKeys.length > 0 ? tokenKeys : ownKeys;
  });
  const sessions = new Sessions(clock, random, signed);
  return {
    authenticate: {
      directory,
      sessions,
      passwords,
      verified: new VerifiedPasswords(clock),
      gate: new HashingGate(),
      header,
      onOutcome: (_call, reason) => metrics.authenticated(reason ?? 'token'),
    },
    identify: {
      directory,
      // As in etcd, a token takes precedence over a certificate.
      sources: [byToken(sessions, new BearerTokens(clock)), byCertificate(), byListener],
      onRejected: (_call, reason) => metrics.calls.rejected(reason),
    },
  };
}
