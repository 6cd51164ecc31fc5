/**
 * How bearer tokens are verified: a local set of public keys, and required claims. Keys are not fetched over the network.
 * Symmetric algorithms are rejected, because every verifier of their signatures could also create them.
 */
import type { FileContents } from '../file-contents.ts';
import { alternatives, type ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** A public key in the format of RFC 7517. */
export interface PublicKey {
  readonly kty: string;
  readonly [parameter: string]: unknown;
}

export interface BearerConfig {
  readonly keys: readonly PublicKey[];
  readonly issuer: string;
  readonly audience: string;
  /** Name of the claim that identifies the tenant. */
  readonly claim: string;
  /** Names from RFC 7518. Only asymmetric algorithms. */
  readonly algorithms: readonly string[];
}

const asymmetric = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
];

/** Returns null without --jwks-file. The result must not be used after a report. */
export function readBearer(
  settings: Settings,
  contents: FileContents,
  report: ProblemReporter,
): BearerConfig | null {
  const { 'jwt-issuer': issuer, 'jwt-audience': audience, 'jwt-claim': claim } = settings;
  const algorithms = settings['jwt-algorithms'];
  if (settings['jwks-file'] === '') {
    for (const name of ['jwt-issuer', 'jwt-audience'] as const) {
      if (settings[name] !== '') report(name, 'has no effect without --jwks-file');
    }
    return null;
  }
  // Without these, a token that the same keys signed for another service would be accepted.
  if (issuer === '') {
    report(
      'jwt-issuer',
      'is required with --jwks-file, so that tokens of other issuers are rejected',
    );
  }
  if (audience === '') {
    report(
      'jwt-audience',
      'is required with --jwks-file, so that tokens for other services are rejected',
    );
  }
  if (claim === '') report('jwt-claim', 'must not be empty');
  for (const algorithm of algorithms) {
    if (asymmetric.includes(algorithm)) continue;
    report('jwt-algorithms', `must be ${alternatives(asymmetric)}, not "${algorithm}"`);
  }
  if (algorithms.length === 0) report('jwt-algorithms', 'must not be empty');
  const bytes = contents.of('jwks-file', settings['jwks-file'], report);
  const keys = bytes === null ? [] : publicKeys(bytes, report);
  return { keys, issuer, audience, claim, algorithms };
}

function publicKeys(bytes: Buffer, report: ProblemReporter): readonly PublicKey[] {
  const keys = keysIn(bytes);
  if (keys === null) {
    report('jwks-file', 'must contain a JSON Web Key Set: an object with a list "keys"');
  }
  if (keys?.length === 0) report('jwks-file', 'must contain at least one key');
  for (const [index, key] of (keys ?? []).entries()) {
    if (!['RSA', 'EC', 'OKP'].includes(key.kty)) {
      report('jwks-file', `key ${index}: the type (kty) must be RSA, EC or OKP`);
    } else if ('d' in key) {
      report('jwks-file', `key ${index}: must be a public key, not a private key`);
    }
  }
  return keys ?? [];
}

function keysIn(bytes: Buffer): readonly PublicKey[] | null {
  try {
    const { keys } = JSON.parse(bytes.toString('utf8')) as { readonly keys?: unknown };
    const isList = Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key);
    return isList ? (keys as readonly PublicKey[]) : null;
  } catch {
    return null;
  }
}
