/**
 * `tenants` and `listeners` as they are in force, in the form in which a file would hold them; what holds its default is
 * left out. For print-config and /configz.
 */
import type { Config, EffectiveSetting } from './config.ts';
import type { ConfigFile } from './file.ts';
import type { ListenerConfig } from './sections/listeners.ts';
import type { TenantConfig } from './sections/tenants.ts';

/** The lists of the file, and the settings that they supersede left out. */
export function withLists(
  settings: readonly EffectiveSetting[],
  file: ConfigFile | null,
  { tenants, listeners }: Pick<Config, 'tenants' | 'listeners'>,
): readonly EffectiveSetting[] {
  const lists: EffectiveSetting[] = [];
  const superseded = new Set<string>();
  if (file?.tenants != null) {
    superseded.add('namespace').add('allow-undelimited');
    lists.push({ name: 'tenants', value: tenants.map(spellTenant), origin: 'file' });
  }
  if (file?.listeners != null) {
    superseded.add('listen-addr');
    // Key by key, in the words of the file.
    const spelled = (file.listeners ?? []).map(({ fields }, index) => {
      const files = ['cert-file', 'key-file', 'trusted-ca-file'].flatMap((key) => {
        const text = fields.get(key)?.texts.at(-1);
        return text === undefined ? [] : [[key, text] as const];
      });
      return { ...spellListener(listeners[index]), ...Object.fromEntries(files) };
    });
    lists.push({ name: 'listeners', value: spelled, origin: 'file' });
  }
  return [...settings.filter(({ name }) => !superseded.has(name)), ...lists];
}

type Spelled = Readonly<Record<string, unknown>>;

function spellTenant(tenant: TenantConfig): Spelled {
  const { name, namespace, leaseTag, allowUndelimited, access, owns, identities } = tenant;
  const isOwnName = identities.join() === `user:${name},claim:${name}`;
  return {
    name,
    namespace,
    ...(leaseTag === null ? {} : { 'lease-tag': leaseTag }),
    ...(allowUndelimited ? { 'allow-undelimited': true } : {}),
    ...(access === 'read-write' ? {} : { access }),
    ...(owns.length === 0
      ? {}
      : { role: 'owner', 'owner-methods': owns.map((each) => each.slice(each.indexOf('/') + 1)) }),
    ...(isOwnName ? {} : { identities }),
  };
}

function spellListener(listener: ListenerConfig | undefined): Spelled {
  if (listener === undefined) return {};
  const { name, tenant, identify, passesCredentials } = listener;
  return {
    address: name,
    ...(tenant === null ? {} : { tenant }),
    ...(identify.length === 0 ? {} : { identify }),
    ...(passesCredentials ? { 'pass-credentials': true } : {}),
  };
}
