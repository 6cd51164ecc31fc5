/** Which settings of a new configuration only a restart can put in force. Everything else a reload does. */
import type { Config, EffectiveSetting } from './config.ts';

/** The rest is built into objects that live as long as the process. */
const atOnce: ReadonlySet<string> = new Set([
  ...[
    'config',
    'tenants',
    'listeners',
    'listen-addr',
    'namespace',
    'allow-undelimited',
    'read-only',
  ],
  ...['cert-file', 'key-file', 'trusted-ca-file', 'client-cert-auth', 'uri-pattern', 'users-file'],
  ...['jwks-file', 'jwt-issuer', 'jwt-audience', 'jwt-claim', 'jwt-algorithms'],
  ...['endpoints', 'cacert', 'cert', 'key', 'insecure-skip-tls-verify', 'server-name'],
  ...['allow-common-name', 'user', 'password-file', 'min-drain', 'drain-window', 'max-drain'],
]);

/** In the order of the settings. */
export function needRestart(before: Config, after: Config): readonly string[] {
  const values = new Map(before.effective.map((setting) => [setting.name, spelled(setting)]));
  return after.effective
    .filter(({ name }) => !atOnce.has(name))
    .filter((setting) => values.get(setting.name) !== spelled(setting))
    .map(({ name }) => name);
}

function spelled({ value }: EffectiveSetting): string {
  return JSON.stringify(value);
}
