/** Endpoints from SRV records, asked from a real DNS server on loopback. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { discover, recordsMax } from '../../../src/discovery/srv.ts';
import { DnsServer } from '../../support/dns-server.ts';

const domain = 'etcd.example';
const query = { domain, serviceName: '', isInsecure: false };
const secureName = `_etcd-client-ssl._tcp.${domain}`;
const plainName = `_etcd-client._tcp.${domain}`;

let dns: DnsServer;
beforeEach(async () => {
  dns = await DnsServer.start();
});
afterEach(() => dns[Symbol.asyncDispose]());

const found = (more: Partial<typeof query> = {}) => discover({ ...query, ...more }, dns.resolver());

test('secure records become https endpoints, and plain ones are not used', async () => {
  dns.records.set(secureName, [
    { name: 'b.etcd.example', port: 2379 },
    { name: 'a.etcd.example', port: 2380 },
  ]);
  dns.records.set(plainName, [{ name: 'c.etcd.example', port: 2379 }]);
  expect(await found()).toEqual(['https://a.etcd.example:2380', 'https://b.etcd.example:2379']);
  expect(dns.queries.toSorted()).toEqual([secureName, plainName].toSorted());
});

test('with insecure discovery, both are used, and one of them is enough', async () => {
  dns.records.set(plainName, [{ name: 'c.etcd.example', port: 2379 }]);
  expect(await found({ isInsecure: true })).toEqual(['http://c.etcd.example:2379']);
  dns.records.set(secureName, [{ name: 'a.etcd.example', port: 2379 }]);
  expect(await found({ isInsecure: true })).toEqual([
    'http://c.etcd.example:2379',
    'https://a.etcd.example:2379',
  ]);
});

test('a name is appended to the services', async () => {
  const names = ['_etcd-client-ssl-blue._tcp', '_etcd-client-blue._tcp'];
  dns.records.set(`${names[0]}.${domain}`, [{ name: 'a.etcd.example', port: 1 }]);
  expect(await found({ serviceName: 'blue' })).toEqual(['https://a.etcd.example:1']);
  expect(dns.queries.toSorted()).toEqual(names.map((each) => `${each}.${domain}`).toSorted());
});

describe('fails', () => {
  test('without records, with the reasons of both look-ups', async () => {
    await expect(found()).rejects.toThrow(/dns lookup errors: .*ENOTFOUND.* and .*ENOTFOUND/);
  });

  test('if all records are insecure', async () => {
    dns.records.set(plainName, [{ name: 'c.etcd.example', port: 2379 }]);
    await expect(found()).rejects.toThrow('all endpoints are insecure');
  });

  test('if the server fails or does not answer', async () => {
    dns.mode = 'fail';
    await expect(found()).rejects.toThrow('ESERVFAIL');
    dns.mode = 'silent';
    await expect(found()).rejects.toThrow('ETIMEOUT');
  });
});

describe('records of a hostile server', () => {
  const discovered = (...records: { name: string; port: number }[]) =>
    discover(query, { resolveSrv: async () => records });

  test('that do not name an address are ignored', async () => {
    const bad = ['', 'a/b', 'a b', 'user@host', 'a\nb', '[::1'].map((name) => ({ name, port: 1 }));
    expect(await discovered(...bad, { name: 'a', port: 0 }, { name: 'ok', port: 1 })).toEqual([
      'https://ok:1',
    ]);
    await expect(discovered(...bad)).rejects.toThrow('no record names an endpoint');
  });

  test('are limited in number', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => ({ name: `m${i}`, port: 1 }));
    expect(await discovered(...many)).toHaveLength(recordsMax);
  });
});
