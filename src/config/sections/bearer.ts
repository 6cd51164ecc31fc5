/**
 * How bearer tokens are verified: a local set of public keys, and what a token has to claim. Nothing is fetched from
 * anywhere. Secret keys are refused: a signature that everybody who can verify it can make proves nothing about its maker.
 */
import { type ProblemReporter, readFile } from '../read-file.ts';
import type { Settings } from '../schema.ts';

/** A public key as RFC 7517 writes it. */
export interface PublicKey {
  readonly kty: string;
  readonly [parameter: string]: unknown;
}

export interface BearerConfig {
  readonly keys: readonly PublicKey[];
  readonly issuer: string;
  readonly audience: string;
  /** The name of the claim that names the tenant. */
  readonly claim: string;
  /** Names of RFC 7518; only signatures with public keys. */
  readonly algorithms: readonly string[];
}

const asymmetric = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
];

/** Null when there are no keys. After a report the result is not to be used. */
export function readBearer(settings: Settings, report: ProblemReporter): BearerConfig | null {
  const { 'jwt-issuer': issuer, 'jwt-audience': audience, 'jwt-claim': claim } = settings;
  const algorithms = settings['jwt-algorithms'];
  if (settings['jwks-file'] === '') {
    for (const name of ['jwt-issuer', 'jwt-audience'] as const) {
      if (settings[name] !== '') report(name, 'has no effect without --jwks-file');
    }
    return null;
  }
  // Without them a token that the same keys have signed for another service would do here.
  if (issuer === '') report('jwt-issuer', 'is missing: whose tokens are these?');
  if (audience === '') report('jwt-audience', 'is missing: a token for somebody else must not do');
  if (claim === '') report('jwt-claim', 'is empty');
  for (const algorithm of algorithms) {
    if (asymmetric.includes(algorithm)) continue;
    report('jwt-algorithms', `"${algorithm}" is not one of ${asymmetric.join(', ')}`);
  }
  if (algorithms.length === 0) report('jwt-algorithms', 'is empty');
  const bytes = readFile('jwks-file', settings['jwks-file'], report);
  const keys = bytes === null ? [] : publicKeys(bytes, report);
  return { keys, issuer, audience, claim, algorithms };
}

function publicKeys(bytes: Buffer, report: ProblemReporter): readonly PublicKey[] {
  const keys = keysIn(bytes);
  if (keys === null) report('jwks-file', 'is no JSON Web Key Set: an object with "keys", a list');
  if (keys?.length === 0) report('jwks-file', 'holds no key');
  for (const [index, key] of (keys ?? []).entries()) {
    if (!['RSA', 'EC', 'OKP'].includes(key.kty)) {
      report('jwks-file', `key ${index}: its type must be RSA, EC or OKP`);
    } else if ('d' in key) {
      report('jwks-file', `key ${index} is a private key, which nobody but its issuer should have`);
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
