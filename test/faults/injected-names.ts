/** Loaded into the proxy before its program: some host names have the addresses that a file has for them at that time. */
import dns, { type LookupAddress } from 'node:dns';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const file = process.env['INJECTED_NAMES'] ?? '';
const trueLookup = dns.lookup;
const trueLookupPromise = dns.promises.lookup;

type Found = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

function injected(name: string): string | undefined {
  return (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>)[name];
}

function lookup(name: string, options: { all?: boolean } | Found, then?: Found): void {
  const address = injected(name);
  if (address === undefined) {
    Reflect.apply(trueLookup, dns, then === undefined ? [name, options] : [name, options, then]);
    return;
  }
  const found = typeof options === 'function' ? options : then;
  const all = typeof options === 'object' && options.all === true;
  process.nextTick(() => {
    if (all) found?.(null, [{ address, family: 4 }]);
    else found?.(null, address, 4);
  });
}

async function lookupPromise(name: string, options?: { all?: boolean }): Promise<unknown> {
  const address = injected(name);
  if (address === undefined)
    return await Reflect.apply(trueLookupPromise, dns.promises, [name, options]);
  const found = { address, family: 4 };
  return options?.all === true ? [found] : found;
}

dns.lookup = lookup as typeof dns.lookup;
dns.promises.lookup = lookupPromise as typeof dns.promises.lookup;
syncBuiltinESMExports();
