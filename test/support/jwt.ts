/** An issuer of bearer tokens for one test run: its own keys, its JWKS file, and tokens good or bad as a test wants them. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type JWTPayload, SignJWT } from 'jose';

export const issuer = 'https://issuer.example';
export const audience = 'etcd';

export class Issuer {
  readonly keyId: string;
  readonly #private: KeyObject;
  readonly #public: KeyObject;

  constructor(keyId = 'one') {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.keyId = keyId;
    this.#private = privateKey;
    this.#public = publicKey;
  }

  get jwk(): Readonly<Record<string, unknown>> & { readonly kty: string } {
    const { kty = 'EC', ...rest } = this.#public.export({ format: 'jwk' });
    return { kty, ...rest, kid: this.keyId, alg: 'ES256' };
  }

  get publicPem(): string {
    return String(this.#public.export({ format: 'pem', type: 'spki' }));
  }

  writeKeys(path: string): void {
    writeFileSync(path, JSON.stringify({ keys: [this.jwk] }));
  }

  /** Good for a minute unless `claims` say otherwise; times in seconds since the epoch. */
  sign(
    claims: { readonly [name in keyof JWTPayload]: JWTPayload[name] | undefined },
    header: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    return new SignJWT({ iss: issuer, aud: audience, exp: now + 60, ...claims } as JWTPayload)
      .setProtectedHeader({ alg: 'ES256', kid: this.keyId, ...header })
      .sign(this.#private);
  }
}
