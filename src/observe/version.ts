/** The version of the program, read once from package.json. */
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
