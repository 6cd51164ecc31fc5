/** What this program calls itself. Read once from the package, so that no release can forget to say it here too. */
import { readFileSync } from 'node:fs';

interface Package {
  readonly name: string;
  readonly version: string;
}

// Two folders up from src/observe/ and from dist/observe/ alike.
const { version: own } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as Package;

export const version: string = own;
