/** Replaces the endpoints of a configuration by those that DNS or the member list has named, and restores the configured ones. */
import { parseEndpoint, reaches } from './address.ts';
import type { Config } from './config.ts';
import { endpointConfig } from './sections/endpoints.ts';

/**
 * `found` are endpoints as in --endpoints; null restores the configured ones. A text that is not a valid endpoint is left out, and so
 * is the address of a listener: members of other machines may advertise the address that this process listens on.
 */
export function withEndpoints(config: Config, found: readonly string[] | null): Config {
  if (found === null) return { ...config, endpoints: config.configuredEndpoints };
  const { listeners } = config;
  const endpoints = found
    .flatMap((text) => parseEndpoint(text) ?? [])
    .filter(({ address }) => !listeners.some((listener) => reaches(address, listener.address)))
    .map((parsed) => endpointConfig(parsed, config));
  return { ...config, endpoints };
}
