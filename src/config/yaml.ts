/**
 * The YAML library, loaded when the first file is parsed or printed: a sidecar that is configured by flags does not hold it
 * in memory. Synchronous, because a configuration is built without waiting.
 */
import { createRequire } from 'node:module';

type Yaml = typeof import('yaml');

let library: Yaml | null = null;

export function yaml(): Yaml {
  library ??= createRequire(import.meta.url)('yaml') as Yaml;
  return library;
}
