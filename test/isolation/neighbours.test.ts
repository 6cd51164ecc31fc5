/**
 * Namespaces as close to one another as the configuration allows, with data without a tenant in the gaps. Each tenant
 * tries every form of a range that its clients could send, in every call that takes one. It must find exactly its own
 * keys that the form covers, and none of the others.
 */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { startEtcd } from '../support/etcd.ts';
import { startTestProxy } from '../support/proxy.ts';
import { slowMessage as message } from '../support/slow-rewriter.ts';
import { until } from '../support/until.ts';
import { compareOf, covered, type Form, formsOf, rangeOf } from './forms.ts';
import { grpcLink, Intruder, valuesAt } from './intruder.ts';

/** What every tenant calls its keys: at the edges of namespaces, its own and others'. */
const names = ['\0', 'a', 't1', 't1/', 't1/a', 't10/', 't2/', '/', '0', '\xff', '\xff\xff'];
const bounds = [
  '',
  '\0',
  '\0\0',
  'a',
  't1',
  't1/',
  't10',
  't10/',
  't2',
  '/',
  '0',
  '\xff',
  '\xff\xff',
];
const forms = formsOf(bounds, bounds);
const answered = forms.filter(({ key }) => key !== '');

const everything = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };
const emptyKey = { code: Code.INVALID_ARGUMENT, details: 'etcdserver: key is not provided' };

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

/** A tenant at work, and what the values of its keys begin with. */
class Neighbour extends Intruder {
  readonly prefix: Buffer;
  readonly mark = randomBytes(6).toString('hex');
  readonly #direct: GrpcClient;

  constructor(namespace: string, address: string, direct: GrpcClient) {
    super(grpcLink(address));
    this.prefix = Buffer.from(namespace);
    this.#direct = direct;
  }

  async plant(planted: readonly string[] = names): Promise<void> {
    await Promise.all(planted.map((name) => this.put(name, `${this.mark}-${name}`)));
  }

  async put(name: string, value: string): Promise<void> {
    const key = Buffer.concat([this.prefix, Buffer.from(name, 'latin1')]);
    await this.#direct.call('etcdserverpb.KV/Put', { key, value: Buffer.from(value, 'latin1') });
  }
}

async function tryRange(tenant: Neighbour, form: Form): Promise<void> {
  const found = covered(form, names);
  const heard = await tenant.ask('etcdserverpb.KV/Range', rangeOf(form));
  const { code, details } = heard;
  if (form.key === '') return void expect({ code, details }).toEqual(emptyKey);
  expect(heard.textAt(2, 1), JSON.stringify(form)).toEqual(found);
  const backwards = await tenant.ask('etcdserverpb.KV/Range', rangeOf(form, [3, 2n], [5, 2n]));
  expect(backwards.textAt(2, 1), JSON.stringify(form)).toEqual(found.toReversed().slice(0, 2));
  const counted = await tenant.ask('etcdserverpb.KV/Range', rangeOf(form, [9, 1n]));
  expect(counted.at(4)[0] ?? 0n, JSON.stringify(form)).toBe(BigInt(found.length));
}

/** The compare must be decided by the tenant's keys alone, in a nested transaction too. */
async function tryTxn(tenant: Neighbour, form: Form): Promise<void> {
  const found = covered(form, names);
  const inner = message([1, compareOf(form)], [2, message([1, rangeOf(form)])]);
  const heard = await tenant.ask('etcdserverpb.KV/Txn', message([2, message([4, inner])]));
  expect(heard.code, JSON.stringify(form)).toBe(Code.OK);
  expect(heard.at(3, 4, 2), JSON.stringify(form)).toEqual(found.length > 0 ? [1n] : []);
  expect(heard.textAt(3, 4, 3, 1, 2, 1), JSON.stringify(form)).toEqual(found);
}

async function tryDelete(tenant: Neighbour, form: Form): Promise<void> {
  const found = covered(form, names);
  const alone = await tenant.ask('etcdserverpb.KV/DeleteRange', rangeOf(form, [3, 1n]));
  expect(alone.textAt(3, 1), JSON.stringify(form)).toEqual(found);
  await tenant.plant(found);
  const operation = message([2, message([3, rangeOf(form, [3, 1n])])]);
  const within = await tenant.ask('etcdserverpb.KV/Txn', operation);
  expect(within.textAt(3, 3, 3, 1), JSON.stringify(form)).toEqual(found);
  await tenant.plant(found);
}

/** One watch per form, from the first revision on. Each must receive exactly the keys that its form covers. */
async function watchAll(tenant: Neighbour, others: readonly Neighbour[]): Promise<void> {
  const watch = tenant.open('etcdserverpb.Watch/Watch');
  for (const [i, form] of forms.entries()) {
    watch.send(message([1, rangeOf(form, [3, 1n], [6, 1n], [7, BigInt(i + 1)])]));
  }
  await until('all watches', () => watch.at(3).length === forms.length);
  for (const other of others) await other.plant();
  const told = () => {
    const byWatch = new Map<bigint, Set<string>>();
    for (const heard of watch.messages) {
      const [id = 0n] = valuesAt(heard, [2]) as bigint[];
      const seen = byWatch.get(id) ?? new Set();
      for (const key of valuesAt(heard, [11, 2, 1])) seen.add(latin1(key as Uint8Array));
      byWatch.set(id, seen);
    }
    return forms.map((form, i) => [form, [...(byWatch.get(BigInt(i + 1)) ?? [])].sort()]);
  };
  // To a watch, an empty key is the first there is.
  const expected = forms.map((form) => [
    form,
    covered({ ...form, key: form.key === '' ? '\0' : form.key }, names),
  ]);
  const count = (pairs: unknown[][]) => pairs.flatMap(([, keys]) => keys as string[]).length;
  const events = count(expected);
  await until('all events', () => count(told()) >= events);
  expect(told()).toEqual(expected);
  watch.cancel();
  await watch.ended;
}

const delimited = ['t1/', 't10/', 't2/', 't1ÿ/', 't1.b/', 't0/'];
const rawBeside = [
  't1',
  't1/',
  't1.',
  't10',
  't10.',
  't11/a',
  't1\xff',
  't1\xff/',
  't1\xff/a',
  't2',
  't20/',
];

describe.each<[string, readonly string[], readonly string[]]>([
  ['that end in a delimiter', delimited, [...rawBeside, '\0', '\xff', '\xff\xff', 't', '/', 'a']],
  ['that do not', ['t1', 't2', 't0'], ['t', 't\xff', 't/', 't3', 's\xff', '\0', '\xff', 'a']],
])('namespaces %s', (_how, namespaces, rawNames) => {
  test('hold nothing but their own, by any form of a range', async () => {
    await using etcd = await startEtcd();
    await using proxy = await startTestProxy({
      endpoints: [etcd.address],
      tenants: namespaces.map((namespace, i) => ({
        name: `tenant-${i}`,
        namespace,
        'allow-undelimited': true,
      })),
      settings: { transport: 'native', 'max-drain': '200ms' },
    });
    using direct = grpcClient(etcd.address);
    const rawMark = randomBytes(6).toString('hex');
    for (const name of rawNames) {
      const raw = { key: Buffer.from(name, 'latin1'), value: Buffer.from(rawMark) };
      await direct.call('etcdserverpb.KV/Put', raw);
    }
    using tenants = new DisposableStack();
    const all = namespaces.map((namespace, i) =>
      tenants.use(new Neighbour(namespace, proxy.address(`tenant-${i}`), direct)),
    );
    for (const tenant of all) await tenant.plant();
    const audit = async () => {
      const { kvs } = await direct.call('etcdserverpb.KV/Range', everything);
      return kvs.map(({ key, value }) => `${key.toString('hex')} ${value.toString('hex')}`);
    };
    const before = await audit();
    expect(before).toHaveLength(rawNames.length + namespaces.length * names.length);

    // First, while the past that they ask for is short.
    for (const tenant of all) await watchAll(tenant, all);
    for (const tenant of all) {
      await Promise.all(forms.map((form) => tryRange(tenant, form)));
      await Promise.all(answered.map((form) => tryTxn(tenant, form)));
      for (const form of answered) await tryDelete(tenant, form);
      expect(await audit(), `after tenant ${tenant.prefix}`).toEqual(before);
    }
    for (const tenant of all) {
      const foreign = [rawMark, ...all.flatMap(({ mark }) => (mark === tenant.mark ? [] : [mark]))];
      const leaks = tenant.heard.filter((heard) => foreign.some((mark) => heard.includes(mark)));
      expect(leaks, `heard by tenant ${tenant.prefix}`).toEqual([]);
    }
  });
});

test('a namespace that lies within another is not accepted', async () => {
  for (const pair of [
    ['t1', 't10/'],
    ['t1/', 't1/a/'],
    ['t1/', 't1/'],
  ]) {
    const tenants = pair.map((namespace, i) => ({
      name: `t${i}`,
      namespace,
      'allow-undelimited': true,
    }));
    await expect(startTestProxy({ endpoints: ['127.0.0.1:1'], tenants })).rejects.toThrow(
      'its namespace lies within that of',
    );
  }
});
