/** The parts of the two layers that identify calls: one issues the session tokens that the other accepts. */
import type { Call } from '../call/call.ts';
import type { RefusalName } from '../call/refusals.ts';
import { BearerTokens } from '../identity/bearer.ts';
import { byCertificate } from '../identity/certificate.ts';
import { HashingGate } from '../identity/hashing-gate.ts';
import { byListener } from '../identity/identify.ts';
import { identityName } from '../identity/identity-name.ts';
import type { Passwords } from '../identity/password.ts';
import { Sessions } from '../identity/sessions.ts';
import { SignedTokens } from '../identity/signed-tokens.ts';
import { byToken } from '../identity/token.ts';
import { VerifiedPasswords } from '../identity/verified-passwords.ts';
import type { Advice } from '../observe/advice/advice.ts';
import { type AuditLog, auditedCall, type IdentityOf } from '../observe/audit-log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Parts } from '../pipeline.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { CurrentDirectory } from '../tenant/directory.ts';

export interface IdentityDependencies {
  readonly directory: CurrentDirectory;
  readonly passwords: Passwords;
  readonly metrics: Metrics;
  readonly audit: AuditLog;
  readonly observers: { readonly advice: Pick<Advice, 'connected'> | null };
  readonly clock: Clock;
  readonly random: Random;
  /** Signs session tokens without --token-key-file, for other workers. Null in a process without other workers. */
  readonly tokenKey: Uint8Array | null;
}

/** `header` is the content of a current ResponseHeader, with the proxy as its member. */
export function identityParts(
  dependencies: IdentityDependencies,
  header: () => Uint8Array,
): Pick<Parts, 'authenticate' | 'identify'> & { readonly identityOf: IdentityOf } {
  const { directory, passwords, metrics, audit, clock, random, tokenKey } = dependencies;
  const { advice } = dependencies.observers;
  const ownKeys = tokenKey === null ? [] : [tokenKey];
  const signed = new SignedTokens(() => {
    const { tokenKeys } = directory.current;
    return tokenKeys.length > 0 ? tokenKeys : ownKeys;
  });
  const sessions = new Sessions(clock, random, signed);
  const bearerTokens = new BearerTokens(clock);
  const identityOf = (call: Call) => identityName(call, directory.current, sessions, bearerTokens);
  return {
    authenticate: {
      directory,
      sessions,
      passwords,
      verified: new VerifiedPasswords(clock),
      gate: new HashingGate(),
      header,
      onOutcome: (call, reason, user) => {
        metrics.authenticated(reason ?? 'token');
        if (reason === 'authentication-failed' || reason === 'authentication-limit') {
          audit.write('login failed', 'refused', () => ({
            ...auditedCall(call, () => (user === null ? 'user' : `user:${user}`)),
            reason,
          }));
        }
      },
    },
    identify: {
      directory,
      // As in etcd, a token takes precedence over a certificate.
      sources: [byToken(sessions, bearerTokens), byCertificate(), byListener],
      onConnected: advice === null ? null : (call) => advice.connected(call),
      onRejected: (call, reason) => {
        metrics.calls.rejected(reason);
        if (isOfIdentity(reason)) {
          audit.write('identity refused', 'refused', () => ({
            ...auditedCall(call, identityOf),
            reason,
          }));
        }
      },
    },
    identityOf,
  };
}

/** A reload in progress and full connections refuse calls here, too. They say nothing about the client. */
function isOfIdentity(reason: RefusalName): boolean {
  return reason !== 'tenant-changed' && reason !== 'connection-limit';
}
